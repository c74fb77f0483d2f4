// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IOracleQuorum} from "../../../contracts/interfaces/IOracleQuorum.sol";
import {IRewardProgramme} from "../../../contracts/interfaces/IRewardProgramme.sol";
import {Vm} from "../Vm.sol";

/// @title LawLog
/// @notice Counts the law events in what was logged, as one who replays them does.
contract LawLog {
    /// @notice The number of law events of each contract so far.
    mapping(address emitter => uint64) public revisionOf;
    /// @notice Whether an event had another number than the one after the last.
    bool public outOfOrder;

    // The words of an event before its dynamic part: its number is the last of them. 0 for what is no law event.
    mapping(bytes32 topic => uint256) private _words;

    constructor() {
        _words[IDeviceRegistry.DeviceEnrolled.selector] = 3;
        _words[IDeviceRegistry.ClassLimitSet.selector] = 5;
        _words[IDeviceRegistry.AccountIndexed.selector] = 3;
        _words[IDeviceRegistry.DeviceBound.selector] = 2;
        _words[IDeviceRegistry.DeviceTransferred.selector] = 2;
        _words[IDeviceRegistry.DeviceRevoked.selector] = 3;
        _words[IRewardProgramme.InspectorAdded.selector] = 2;
        _words[IRewardProgramme.InspectorRemoved.selector] = 2;
        _words[ICustomerEscrow.CustomerAdmitted.selector] = 2;
        _words[ICustomerEscrow.CustomerDismissed.selector] = 2;
        _words[ICustomerEscrow.KeySet.selector] = 3;
        _words[ICustomerEscrow.EndpointSet.selector] = 2;
        _words[ICustomerEscrow.VoucherCollected.selector] = 4;
        _words[IEpochLedger.TariffSet.selector] = 6;
        _words[IEpochLedger.RulesSet.selector] = 4;
        _words[IEpochLedger.RootProposed.selector] = 13;
        _words[IEpochLedger.RootVetoed.selector] = 1;
        _words[IEpochLedger.RootRevoked.selector] = 2;
        _words[IEpochLedger.AttemptAbandoned.selector] = 1;
        _words[IEpochLedger.RootFinalized.selector] = 5;
        _words[IEpochLedger.LedgerClosed.selector] = 2;
        _words[IOracleQuorum.MemberAdded.selector] = 3;
        _words[IOracleQuorum.MemberRemoved.selector] = 3;
        _words[IOracleQuorum.MemberExited.selector] = 3;
        _words[IOracleQuorum.MemberRotated.selector] = 3;
        _words[IOracleQuorum.MemberSlashed.selector] = 4;
        _words[IOracleQuorum.ThresholdSet.selector] = 3;
    }

    function read(Vm.Log[] calldata logs) external {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics.length == 0) continue;
            uint256 words = _words[logs[i].topics[0]];
            if (words == 0) continue;
            uint256 number = uint256(bytes32(logs[i].data[32 * (words - 1):32 * words]));
            if (number != ++revisionOf[logs[i].emitter]) outOfOrder = true;
        }
    }
}
