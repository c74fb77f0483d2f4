// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// All that is remembered is here on purpose.
// solhint-disable max-states-count

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {Cast, Suite} from "../Suite.sol";
import {VM} from "../Vm.sol";
import {Draft} from "./Frauds.sol";

/// @title World
/// @notice The suite, and in one place all that the actors remember about it: a plain model of what each contract must
/// hold after what was done to it. The actors write it, {Law} compares it with the contracts.
contract World is Suite {
    struct MemberRecord {
        uint256 key;
        uint32 fromEpoch;
        uint256 leftAt;
        uint256 bond;
    }

    /// @notice A call that carried a signature and was accepted: food for replays.
    struct SignedCall {
        address target;
        bytes data;
    }

    /// @notice Whether bystanders look at proposals, and disprove what can be disproven.
    bool public immutable watched;

    // ---- The first rule that was seen broken: its number in the design, section 11, and what happened.
    uint256 public brokenItem;
    string public brokenRule;

    // ---- Everyone
    address[] public devices;
    address[] public owners;
    address[] public customers;
    address[] public gateways;

    // ---- Time, and the facts of epochs that are over
    uint32 public endedEpochs;
    uint32 public sealedEpochs;
    mapping(uint32 epoch => bytes32) public factsAtEnd;
    mapping(uint32 epoch => bytes32) public paymentsAtSeal;
    mapping(uint32 epoch => uint256) public accountsAtSeal;

    // ---- Accounts, in index order
    address[] private _accounts;
    mapping(address account => bool) public isAccount;
    mapping(address device => uint32) public accountFrom;

    // ---- Tokens
    uint256 public burned;
    mapping(address target => uint256) public donated;

    // ---- Escrow
    mapping(address customer => uint256) public balanceOf;
    mapping(address customer => uint256) public thawing;
    mapping(address customer => uint256) public thawEndsAt;
    mapping(address customer => uint256) public collected;
    mapping(address customer => uint256) public signedFor;
    mapping(address customer => mapping(uint32 epoch => uint256)) public paid;
    mapping(uint32 epoch => uint256) public fund;
    uint256 public collectedInAll;

    // ---- Members
    address[] private _members;
    mapping(address member => MemberRecord) private _records;
    uint256 public membersPresent;
    uint256 public threshold;
    mapping(address member => IEpochLedger.Report[]) private _signedReports;

    // ---- Epochs
    bool public isPending;
    uint256 public finalizableAt;
    uint256 public attemptStartedAt;
    uint16 public attempt;
    address[] private _signers;
    Draft private _pending;
    mapping(bytes32 digest => bool) public isRejected;
    uint32 public lastEpoch;
    mapping(uint32 epoch => Draft) private _final;
    uint256 public budgetInAll;
    uint256 public released;
    uint256 public carry;
    uint256 public retirableAt;
    bool public retired;
    uint256 public retiredAmount;

    // ---- Claims
    mapping(address account => uint256) public promised;
    mapping(address account => uint256) public claimed;
    mapping(address account => address) public payee;
    uint256 public claimedInAll;
    uint256 public pausedUntil;
    uint256 public nextPauseAt;

    // ---- Signatures that were used
    SignedCall[] private _signedCalls;

    /// @notice How often each act did what it is there for: shows that a campaign is not empty.
    mapping(string act => uint256) public done;

    constructor(bool watched_) {
        watched = watched_;
        threshold = 1;
        for (uint256 i = 0; i < Cast.DEVICES; ++i) devices.push(VM.addr(Cast.device(i)));
        for (uint256 i = 0; i < Cast.OWNERS; ++i) owners.push(VM.addr(Cast.owner(i)));
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) customers.push(VM.addr(Cast.customer(i)));
        for (uint256 i = 0; i < Cast.GATEWAYS; ++i) gateways.push(VM.addr(Cast.gateway(i)));
    }

    // ------------------------------------------------------------------ verdicts

    function broken(uint256 item, string memory rule) public {
        if (brokenItem != 0) return;
        brokenItem = item;
        brokenRule = rule;
    }

    function did(string calldata act) external {
        ++done[act];
    }

    // ------------------------------------------------------------------ time

    /// @notice Lets time pass until `to`, and writes down the facts of every epoch that ends or is sealed on the way.
    function moveTo(uint256 to) public {
        if (to <= time()) return;
        VM.warp(to);
        while (endOf(endedEpochs + 1) <= to) {
            ++endedEpochs;
            factsAtEnd[endedEpochs] = factsOf(endedEpochs);
        }
        while (sealTimeOf(sealedEpochs + 1) <= to) {
            ++sealedEpochs;
            paymentsAtSeal[sealedEpochs] = paymentsOf(sealedEpochs);
            accountsAtSeal[sealedEpochs] = _accounts.length;
        }
    }

    function currentEpoch() public view returns (uint32 epoch) {
        uint256 now_ = time();
        epoch = endedEpochs;
        while (now_ >= endOf(epoch)) ++epoch;
    }

    function endOf(uint256 epoch) public pure returns (uint256) {
        return GENESIS + epoch * EPOCH_SECONDS;
    }

    function sealTimeOf(uint256 epoch) public pure returns (uint256) {
        return endOf(epoch) + GRACE_SECONDS;
    }

    /// @notice All that the chain says about `epoch` and that must stand still once it has ended.
    function factsOf(uint32 epoch) public view returns (bytes32 facts) {
        facts = keccak256(abi.encode(ledger.tariffAt(epoch), ledger.rulesAt(epoch)));
        facts = keccak256(
            abi.encode(facts, registry.limitAt(0, epoch), registry.limitAt(1, epoch))
        );
        for (uint256 i = 0; i < devices.length; ++i) {
            facts = keccak256(abi.encode(facts, registry.ownerAt(devices[i], epoch)));
        }
        for (uint256 i = 0; i < customers.length; ++i) {
            facts = keccak256(abi.encode(facts, escrow.isCustomerAt(customers[i], epoch)));
            for (uint256 j = 0; j < gateways.length; ++j) {
                bool isKey = escrow.isKeyAt(customers[i], gateways[j], epoch);
                facts = keccak256(abi.encode(facts, isKey));
            }
        }
    }

    /// @notice What was paid for `epoch`, which must stand still once it is sealed.
    function paymentsOf(uint32 epoch) public view returns (bytes32 payments) {
        payments = keccak256(abi.encode(escrow.fund(epoch)));
        for (uint256 i = 0; i < customers.length; ++i) {
            payments = keccak256(abi.encode(payments, escrow.paid(customers[i], epoch)));
        }
    }

    // ------------------------------------------------------------------ accounts, tokens, calls

    /// @notice From the next epoch on `device` earns for `account`.
    function accountChanged(address device, address account) external {
        accountFrom[device] = currentEpoch() + 1;
        if (isAccount[account]) return;
        isAccount[account] = true;
        _accounts.push(account);
    }

    function accounts() external view returns (address[] memory) {
        return _accounts;
    }

    function donate(address target, uint256 amount) external {
        endow(target, amount, target);
        donated[target] += amount;
    }

    function signedCall(address target, bytes calldata data) external {
        _signedCalls.push(SignedCall(target, data));
    }

    function signedCalls() external view returns (uint256) {
        return _signedCalls.length;
    }

    function signedCallAt(uint256 i) external view returns (address target, bytes memory data) {
        return (_signedCalls[i].target, _signedCalls[i].data);
    }

    // ------------------------------------------------------------------ escrow

    function deposited(address customer, uint256 amount) external {
        balanceOf[customer] += amount;
    }

    function thawed(address customer, uint256 amount) external {
        thawing[customer] += amount;
        thawEndsAt[customer] = time() + THAW_SECONDS;
    }

    function thawCancelled(address customer) external {
        thawing[customer] = 0;
    }

    function withdrawn(address customer) external {
        balanceOf[customer] -= thawing[customer];
        thawing[customer] = 0;
    }

    /// @notice A voucher that a key of the customer signed was presented: takes what it is due.
    function voucherPaid(
        address customer,
        uint32 epoch,
        uint256 cumulative
    ) external returns (uint256 amount) {
        if (cumulative > signedFor[customer]) signedFor[customer] = cumulative;
        uint256 owed = cumulative > collected[customer] ? cumulative - collected[customer] : 0;
        amount = owed < balanceOf[customer] ? owed : balanceOf[customer];
        uint32 counted = time() < sealTimeOf(epoch) ? epoch : currentEpoch();
        balanceOf[customer] -= amount;
        collected[customer] += amount;
        collectedInAll += amount;
        paid[customer][counted] += amount;
        fund[counted] += amount;
        if (thawing[customer] > balanceOf[customer]) thawing[customer] = balanceOf[customer];
    }

    // ------------------------------------------------------------------ members

    function joined(uint256 key, uint256 threshold_) external {
        address member = VM.addr(key);
        _members.push(member);
        _records[member] = MemberRecord(key, currentEpoch() + 1, 0, 0);
        ++membersPresent;
        threshold = threshold_;
    }

    function bonded(address member, uint256 amount) external {
        _records[member].bond += amount;
    }

    function left(address member, uint256 threshold_) public {
        if (_records[member].leftAt == 0) --membersPresent;
        _records[member].leftAt = time();
        threshold = threshold_;
    }

    function bondWithdrawn(address member) external {
        _records[member].bond = 0;
    }

    /// @notice Half of what was taken from all of them together, rounded up, is burned.
    function slashed(address[] memory culprits) public {
        uint256 bonds = 0;
        for (uint256 i = 0; i < culprits.length; ++i) {
            bonds += _records[culprits[i]].bond;
            _records[culprits[i]].bond = 0;
            if (_records[culprits[i]].leftAt == 0) left(culprits[i], threshold);
        }
        burned += bonds - bonds / 2;
    }

    function thresholdSet(uint256 threshold_) external {
        threshold = threshold_;
    }

    function members() external view returns (address[] memory) {
        return _members;
    }

    function recordOf(address member) external view returns (MemberRecord memory) {
        return _records[member];
    }

    function isActive(address member) public view returns (bool) {
        MemberRecord memory record = _records[member];
        return
            record.key != 0 &&
            record.leftAt == 0 &&
            record.fromEpoch <= currentEpoch() &&
            record.bond >= MINIMUM_BOND;
    }

    function activeMembers() public view returns (address[] memory active) {
        active = new address[](_members.length);
        uint256 n = 0;
        for (uint256 i = 0; i < _members.length; ++i) {
            if (isActive(_members[i])) active[n++] = _members[i];
        }
        // Cut to what was filled.
        assembly ("memory-safe") {
            mstore(active, n)
        }
    }

    function signedPending(address member) public view returns (bool) {
        for (uint256 i = 0; isPending && i < _signers.length; ++i) {
            if (_signers[i] == member) return true;
        }
        return false;
    }

    function signedReports(address member) external view returns (IEpochLedger.Report[] memory) {
        return _signedReports[member];
    }

    // ------------------------------------------------------------------ epochs

    function emissionOf(uint32 epoch) public pure returns (uint256) {
        uint256 yearly = EMISSION_SHARE / 2;
        for (uint256 e = EPOCHS_PER_YEAR + 1; e <= epoch; e += EPOCHS_PER_YEAR) yearly /= 2;
        return yearly / EPOCHS_PER_YEAR;
    }

    function budget() public view returns (uint256) {
        return emissionOf(lastEpoch + 1) + carry + fund[lastEpoch + 1];
    }

    /// @notice Whether the last final root can be built upon at all: without a watcher, a corrupt one may promise more
    /// than there are numbers for.
    function accountable() external view returns (bool) {
        uint256 sum = budget();
        Draft storage last = _final[lastEpoch];
        for (uint256 i = 0; i < last.leaves.length; ++i) sum += last.leaves[i].cumulative;
        return sum <= type(uint96).max;
    }

    function abandonableAt() external view returns (uint256) {
        uint256 sealTime = sealTimeOf(lastEpoch + 1);
        return (sealTime > attemptStartedAt ? sealTime : attemptStartedAt) + TIMEOUT_SECONDS;
    }

    function proposed(Draft calldata draft, address[] calldata signers) external {
        if (isPending) broken(5, "a pending root was overwritten");
        uint256 distinct = 0;
        uint256 bits = 0;
        for (uint256 i = 0; i < signers.length; ++i) {
            (, uint256 slot, , , ) = quorum.memberOf(signers[i]);
            if (isActive(signers[i]) && (bits >> slot) & 1 == 0) ++distinct;
            bits |= 1 << slot;
            _signedReports[signers[i]].push(draft.report);
        }
        if (distinct < threshold) broken(8, "too few distinct active members were enough");
        if (ledger.proposal().signers != bits) broken(8, "other signers were written down");
        isPending = true;
        finalizableAt = time() + WINDOW_SECONDS;
        _signers = signers;
        _pending = draft;
    }

    /// @notice The pending proposal was vetoed or, with `prover`, disproven.
    function rejected(bool disproven) external {
        isRejected[ledger.reportDigest(_pending.report)] = true;
        if (disproven) slashed(_signers);
        _nextAttempt();
    }

    function abandoned() external {
        _nextAttempt();
    }

    function finalized() external {
        uint32 epoch = ++lastEpoch;
        if (isRejected[ledger.reportDigest(_pending.report)]) {
            broken(6, "a rejected root became final");
        }
        uint256 delta = _pending.report.total - _final[epoch - 1].report.total;
        uint256 payable_ = carry + fund[epoch];
        if (delta > payable_ + emissionOf(epoch)) {
            broken(2, "an epoch released more than its emission and fund");
        }
        budgetInAll += emissionOf(epoch) + fund[epoch];
        carry = payable_ > delta ? payable_ - delta : 0;
        released += delta;
        for (uint256 i = 0; i < _pending.leaves.length; ++i) {
            address account = _pending.leaves[i].account;
            uint256 cumulative = _pending.leaves[i].cumulative;
            if (_pending.hashes[i] != 0 && cumulative > promised[account]) {
                promised[account] = cumulative;
            }
        }
        _final[epoch] = _pending;
        isPending = false;
        attempt = 0;
        attemptStartedAt = time();
    }

    function pending() external view returns (Draft memory) {
        return _pending;
    }

    function finalOf(uint32 epoch) external view returns (Draft memory) {
        return _final[epoch];
    }

    function finalReport(uint32 epoch) external view returns (IEpochLedger.Report memory) {
        return _final[epoch].report;
    }

    function pendingReport() external view returns (IEpochLedger.Report memory) {
        return _pending.report;
    }

    function retirementScheduled() external {
        retirableAt = time() + 30 days;
    }

    function retirementCancelled() external {
        retirableAt = 0;
    }

    function retire(uint256 amount) external {
        retired = true;
        retiredAmount += amount;
    }

    function _nextAttempt() private {
        isPending = false;
        ++attempt;
        attemptStartedAt = time();
    }

    // ------------------------------------------------------------------ claims

    function paidOut(address account, address to, uint256 amount) external {
        claimed[account] += amount;
        claimedInAll += amount;
        if (to == address(distributor)) donated[to] += amount;
    }

    function payeeSet(address account, address to) external {
        payee[account] = to;
    }

    function payeeOf(address account) external view returns (address) {
        return payee[account] == address(0) ? account : payee[account];
    }

    function claimsPaused() external {
        pausedUntil = time() + 3 days;
        nextPauseAt = pausedUntil + 30 days;
    }

    function claimsResumed() external {
        pausedUntil = 0;
    }
}
