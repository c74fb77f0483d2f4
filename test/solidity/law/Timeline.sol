// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What holds in each epoch as things are planned: `values[i]` from the epoch `from[i]` on.
struct Timeline {
    uint32[] from;
    uint256[] values;
}

/// @title Timelines
/// @notice The plain twin of the contracts' checkpoints.
library Timelines {
    function set(Timeline storage line, uint32 fromEpoch, uint256 value) internal {
        uint256 n = line.from.length;
        if (n != 0 && line.from[n - 1] == fromEpoch) {
            line.values[n - 1] = value;
            return;
        }
        line.from.push(fromEpoch);
        line.values.push(value);
    }

    function valueAt(Timeline storage line, uint32 epoch) internal view returns (uint256) {
        for (uint256 i = line.from.length; i > 0; --i) {
            if (line.from[i - 1] <= epoch) return line.values[i - 1];
        }
        return 0;
    }

    function latest(Timeline storage line) internal view returns (uint256) {
        uint256 n = line.values.length;
        return n == 0 ? 0 : line.values[n - 1];
    }
}
