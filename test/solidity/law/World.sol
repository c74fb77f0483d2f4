// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// All that is remembered is here on purpose.
// solhint-disable max-states-count

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IDemands} from "../../../contracts/interfaces/IDemands.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {deploy} from "../Deploy.sol";
import {Cast, Suite} from "../Suite.sol";
import {Trees} from "../Trees.sol";
import {VM} from "../Vm.sol";
import {Draft} from "./Draft.sol";
import {Forger} from "./Forger.sol";
import {LawLog} from "./LawLog.sol";
import {Prosecutor} from "./Prosecutor.sol";
import {Rules} from "./Rules.sol";
import {Timeline, Timelines} from "./Timeline.sol";

/// @title World
/// @notice The suite, and in one place all that the actors remember about it: a plain model of what each contract must
/// hold after what was done to it. The actors write it, {Law} compares it with the contracts.
contract World is Suite {
    using Timelines for Timeline;

    struct DeviceRecord {
        address account;
        uint32 accountFrom;
        bool isByConsent;
        uint64 nonce;
        uint32 boundIn;
        uint256 bindings;
    }

    /// @dev A seat is there in the epochs from `fromEpoch` until before `seatUntil`; the latter is zero while the member
    /// has not left. `keys` are all it ever had.
    struct MemberRecord {
        address[] keys;
        uint32 fromEpoch;
        uint32 untilEpoch;
        uint32 seatUntil;
        uint32 leftIn;
        uint256 bond;
        uint256 bondedInAll;
        uint256 fees;
        bool isSlashed;
    }

    struct SignedVoucher {
        ICustomerEscrow.Voucher voucher;
        address key;
    }

    /// @notice A call that carried a signature and was accepted: food for replays.
    struct SignedCall {
        address target;
        bytes data;
    }

    /// @notice A report that was pending, or vetoed.
    /// @param evidence What convicts it; empty when nothing does.
    /// @param windowEnd When its window ends as it was proposed, and `until` when it ends as things are, {WAITING} while a
    /// demand waits.
    /// @param waiting How many demands of it wait.
    /// @param isOpen Whether it can be convicted, and rows of it be demanded.
    struct OpenReport {
        bytes32 digest;
        Draft draft;
        uint256[] signers;
        bytes evidence;
        uint256 windowEnd;
        uint256 until;
        uint256 lastAnswer;
        uint256 waiting;
        bool isOpen;
    }

    struct DemandRecord {
        IDemands.Node node;
        address by;
        uint256 bond;
        uint256 due;
        bool waits;
    }

    /// @notice The end of a window while a demand waits.
    uint256 public constant WAITING = 2 ** 40 - 1;

    /// @notice Whether bystanders look at proposals, and disprove what can be disproven.
    bool public immutable watched;

    // ---- The first rule that was seen broken
    string public brokenRule;

    // ---- What the rules are, who breaks them, and who finds that out
    Rules public immutable rules;
    Forger public immutable forger;
    Prosecutor public immutable prosecutor;

    // ---- Everyone, in the order of their addresses
    address[] public devices;
    address[] public owners;
    address[] public customers;
    address[] public gateways;
    mapping(address signer => uint256) public keyOf;
    // Empty for those whose key is not of P-256.
    mapping(address device => bytes) public publicKeyOf;

    // ---- Law events
    LawLog public immutable lawLog = new LawLog();

    // ---- Time, and the facts of epochs that have begun, are over, are sealed
    uint32 public begunEpochs;
    uint32 public endedEpochs;
    uint32 public sealedEpochs;
    mapping(uint32 epoch => bytes32) public factsAtNotice;
    mapping(uint32 epoch => bytes32) public factsAtBegin;
    mapping(uint32 epoch => bytes32) public ownersAtEnd;
    mapping(uint32 epoch => bytes32) public paymentsAtSeal;

    // ---- Devices and accounts, in index order
    mapping(address device => DeviceRecord) private _devices;
    address[] private _accounts;
    uint32[] private _accountsFrom;
    mapping(address account => bool) public isAccount;

    // ---- Tokens
    uint256 public burned;
    mapping(address target => uint256) public donated;

    // ---- Programme
    mapping(address inspector => Timeline) private _isInspector;
    mapping(address inspector => mapping(uint32 epoch => uint256)) public drawn;
    mapping(uint32 epoch => uint256) public drawnFor;
    uint256 public drawnInAll;
    uint256 public returnedInAll;
    uint256 public retiredInAll;
    uint256 public retirableAt;

    // ---- Escrow
    mapping(address customer => Timeline) private _isCustomer;
    mapping(address customer => mapping(address key => Timeline)) private _cap;
    mapping(address customer => uint256) public balanceOf;
    mapping(address customer => uint256) public thawing;
    mapping(address customer => uint256) public thawEndsAt;
    // The most that vouchers for the epoch promised within the caps of their keys, in all.
    mapping(address customer => mapping(uint32 epoch => uint256)) public signedFor;
    mapping(address customer => mapping(uint32 epoch => uint256)) public paid;
    mapping(address customer => mapping(uint32 epoch => bool)) public isRefunded;
    mapping(uint32 epoch => uint256) public fund;
    mapping(uint32 epoch => uint256) public refundable;
    mapping(uint32 epoch => uint256) public refunded;
    uint256 public unsettledInAll;
    uint256 public refundableInAll;
    SignedVoucher[] private _vouchers;

    // ---- Members, by slot
    MemberRecord[] private _members;
    mapping(uint256 slot => Timeline) private _key;
    Timeline private _threshold;
    mapping(uint256 slot => IEpochLedger.Report[]) private _signedReports;

    // ---- Epochs
    bool public isPending;
    uint256 public attemptStartedAt;
    uint32 public attempt;
    uint256 public seatsAtProposal;
    OpenReport private _pending;
    OpenReport[] private _vetoed;
    mapping(bytes32 digest => bool) public isRejected;
    uint32 public lastEpoch;
    mapping(uint32 epoch => Draft) private _final;
    mapping(uint32 epoch => uint256) public feeFor;
    uint256 public released;
    bool public isHistoryLawful = true;
    Timeline private _feeBps;
    Timeline private _guardian;
    Timeline private _pauser;

    // ---- Demands
    mapping(bytes32 digest => DemandRecord[]) private _demands;
    mapping(bytes32 digest => mapping(bytes32 node => bool)) private _wasDemanded;
    mapping(bytes32 digest => uint256) public waitingOf;
    uint256 public waitingInAll;
    bytes32[] private _demanded;
    // Of windows of vetoed reports, without those that wait.
    uint256 private _vetoedUntil;
    mapping(address account => uint256) public owedTo;
    uint256 public owedInAll;
    uint256 public bondsWaiting;
    uint256 public coinsBurned;

    // ---- The end
    uint256 public countsFrom;
    uint256 public vetoesCounted;
    uint256 public closedAt;

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
        rules = Rules(deploy("Rules", abi.encode(registry, ledger)));
        forger = Forger(deploy("Forger", abi.encode(registry, rules)));
        prosecutor = Prosecutor(deploy("Prosecutor", abi.encode(registry, ledger, judge)));
        for (uint256 i = 0; i < Cast.DEVICES; ++i) _enter(devices, newDevice(Cast.device(i)));
        for (uint256 i = 0; i < Cast.OWNERS; ++i) _enter(owners, _newKey(Cast.owner(i)));
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) _enter(customers, _newKey(Cast.customer(i)));
        for (uint256 i = 0; i < Cast.GATEWAYS; ++i) _enter(gateways, _newKey(Cast.gateway(i)));
        _feeBps.set(0, FEE_BPS);
        _threshold.set(0, 1);
        _guardian.set(0, uint160(GUARDIAN));
        _pauser.set(0, uint160(GUARDIAN));
        factsAtNotice[1] = noticedFactsOf(1);
        // Enough for whatever is served, until governance thinks otherwise.
        for (uint8 class = 0; class < 2; ++class) {
            VM.prank(GOVERNANCE);
            registry.setClassLimit(
                class,
                IDeviceRegistry.ClassLimit(type(uint64).max, type(uint96).max, type(uint64).max)
            );
        }
        lawLog.read(VM.getRecordedLogs());
    }

    // ------------------------------------------------------------------ verdicts

    function broken(string memory rule) public {
        if (bytes(brokenRule).length == 0) brokenRule = rule;
    }

    function did(string calldata act) external {
        ++done[act];
    }

    // ------------------------------------------------------------------ time

    /// @notice Lets time pass until `to`, and writes down the facts of every epoch that begins, ends or is sealed on the
    /// way.
    function moveTo(uint256 to) public {
        if (to <= time()) return;
        VM.warp(to);
        while (endOf(begunEpochs) <= to) {
            ++begunEpochs;
            factsAtBegin[begunEpochs] = factsOf(begunEpochs);
            factsAtNotice[begunEpochs + 1] = noticedFactsOf(begunEpochs + 1);
        }
        while (endOf(endedEpochs + 1) <= to) {
            ++endedEpochs;
            ownersAtEnd[endedEpochs] = ownersOf(endedEpochs);
        }
        while (sealTimeOf(sealedEpochs + 1) <= to) {
            ++sealedEpochs;
            paymentsAtSeal[sealedEpochs] = paymentsOf(sealedEpochs);
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

    /// @notice What must stand still from one epoch before `epoch` on.
    function noticedFactsOf(uint32 epoch) public view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    ledger.rulesAt(epoch),
                    ledger.guardianAt(epoch),
                    distributor.guardianAt(epoch)
                )
            );
    }

    /// @notice What must stand still once `epoch` has begun.
    function factsOf(uint32 epoch) public view returns (bytes32 facts) {
        facts = keccak256(
            abi.encode(
                ledger.tariffAt(epoch),
                registry.limitAt(0, epoch),
                registry.limitAt(1, epoch),
                registry.accountsAt(epoch),
                programme.inspectorsAt(epoch),
                programme.shareAt(epoch)
            )
        );
        for (uint256 i = 0; i < customers.length; ++i) {
            address customer = customers[i];
            bool isInspector = programme.isInspectorAt(customer, epoch);
            bool isCustomer = escrow.isCustomerAt(customer, epoch);
            facts = keccak256(abi.encode(facts, isInspector, isCustomer));
            for (uint256 j = 0; j < gateways.length; ++j) {
                uint96 cap = escrow.capAt(customer, gateways[j], epoch);
                facts = keccak256(abi.encode(facts, cap));
            }
        }
    }

    /// @notice What must stand still once `epoch` has ended.
    function ownersOf(uint32 epoch) public view returns (bytes32 facts) {
        for (uint256 i = 0; i < devices.length; ++i) {
            facts = keccak256(abi.encode(facts, registry.ownerAt(devices[i], epoch)));
        }
    }

    /// @notice What was paid for `epoch`, which must stand still once it is sealed.
    function paymentsOf(uint32 epoch) public view returns (bytes32 payments) {
        payments = keccak256(abi.encode(escrow.fund(epoch)));
        for (uint256 i = 0; i < customers.length; ++i) {
            payments = keccak256(abi.encode(payments, escrow.paid(customers[i], epoch)));
        }
    }

    // ------------------------------------------------------------------ devices, accounts, tokens, calls

    /// @notice From the next epoch on `device` earns for `account`: by the consent with `nonce`, or by a transfer.
    function accountChanged(address device, address account, uint64 nonce) external {
        uint32 current = currentEpoch();
        DeviceRecord storage record = _devices[device];
        record.account = account;
        record.accountFrom = current + 1;
        record.isByConsent = nonce != 0;
        if (nonce != 0) {
            record.nonce = nonce;
            record.bindings = record.boundIn == current ? record.bindings + 1 : 1;
            record.boundIn = current;
        }
        if (isAccount[account]) return;
        isAccount[account] = true;
        _accounts.push(account);
        _accountsFrom.push(current + 1);
    }

    function deviceOf(address device) external view returns (DeviceRecord memory) {
        return _devices[device];
    }

    function accounts() external view returns (address[] memory) {
        return _accounts;
    }

    function accountsAt(uint32 epoch) public view returns (uint256 leaves) {
        while (leaves < _accounts.length && _accountsFrom[leaves] <= epoch) ++leaves;
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

    // ------------------------------------------------------------------ programme

    function emissionOf(uint32 epoch) public pure returns (uint256) {
        if (epoch == 0) return 0;
        uint256 yearly = EMISSION_SHARE / 2;
        for (uint256 e = EPOCHS_PER_YEAR + 1; e <= epoch; e += EPOCHS_PER_YEAR) yearly /= 2;
        return yearly / EPOCHS_PER_YEAR;
    }

    function inspectorSet(address inspector, bool is_) external {
        _isInspector[inspector].set(currentEpoch() + 1, is_ ? 1 : 0);
    }

    function isInspectorAt(address inspector, uint32 epoch) public view returns (bool) {
        return _isInspector[inspector].valueAt(epoch) == 1;
    }

    function isInspectorLatest(address inspector) external view returns (bool) {
        return _isInspector[inspector].latest() == 1;
    }

    function shareAt(uint32 epoch) public view returns (uint256) {
        uint256 inspectors = 0;
        for (uint256 i = 0; i < customers.length; ++i) {
            if (isInspectorAt(customers[i], epoch)) ++inspectors;
        }
        return inspectors == 0 ? 0 : emissionOf(epoch) / inspectors;
    }

    /// @notice What the programme must hold.
    function programmeHeld() public view returns (uint256) {
        uint256 received = EMISSION_SHARE + returnedInAll + donated[address(programme)];
        return received - drawnInAll - retiredInAll;
    }

    /// @notice What inspectors can still draw for the epochs that have begun and are not sealed; nothing after the close.
    function reserved() external view returns (uint256 amount) {
        if (closedAt != 0) return 0;
        for (uint32 e = collectableEpoch(); e <= currentEpoch(); ++e) {
            if (shareAt(e) != 0) amount += emissionOf(e);
        }
    }

    function retirementSet(uint256 retirableAt_) external {
        retirableAt = retirableAt_;
    }

    function retired(uint256 amount) external {
        retiredInAll += amount;
    }

    // ------------------------------------------------------------------ escrow

    function admitted(address customer, bool is_) external {
        _isCustomer[customer].set(currentEpoch() + 1, is_ ? 1 : 0);
    }

    function isCustomerAt(address customer, uint32 epoch) public view returns (bool) {
        return _isCustomer[customer].valueAt(epoch) == 1;
    }

    function keySet(address customer, address key, uint96 cap) external {
        _cap[customer][key].set(currentEpoch() + 1, cap);
    }

    function capAt(address customer, address key, uint32 epoch) public view returns (uint96) {
        return isCustomerAt(customer, epoch) ? uint96(_cap[customer][key].valueAt(epoch)) : 0;
    }

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

    /// @notice The one epoch that money is collected for: the earliest that is not sealed.
    function collectableEpoch() public view returns (uint32) {
        return sealedEpochs + 1;
    }

    function isCollectable(
        ICustomerEscrow.Voucher calldata voucher,
        address key
    ) external view returns (bool) {
        return
            closedAt == 0 &&
            voucher.epoch == collectableEpoch() &&
            voucher.epoch <= currentEpoch() &&
            capAt(voucher.customer, key, voucher.epoch) != 0;
    }

    /// @notice A good voucher was presented: takes what it is due, for the epoch it was signed for and no other.
    function voucherPaid(
        ICustomerEscrow.Voucher calldata voucher,
        address key
    ) external returns (uint256 amount) {
        (address customer, uint32 epoch) = (voucher.customer, voucher.epoch);
        uint256 promised_ = _least(voucher.amount, capAt(customer, key, epoch));
        uint256 before = paid[customer][epoch];
        if (promised_ > signedFor[customer][epoch]) signedFor[customer][epoch] = promised_;
        if (promised_ <= before) return 0;
        if (isInspectorAt(customer, epoch)) {
            uint256 most = _least(promised_, shareAt(epoch));
            amount = most > before ? _least(most - before, programmeHeld()) : 0;
            drawn[customer][epoch] += amount;
            drawnFor[epoch] += amount;
            drawnInAll += amount;
        } else {
            amount = _least(promised_ - before, balanceOf[customer]);
            balanceOf[customer] -= amount;
            thawing[customer] = _least(thawing[customer], balanceOf[customer]);
        }
        paid[customer][epoch] += amount;
        fund[epoch] += amount;
        unsettledInAll += amount;
    }

    function voucherSigned(ICustomerEscrow.Voucher calldata voucher, address key) external {
        _vouchers.push(SignedVoucher(voucher, key));
    }

    function vouchers() external view returns (uint256) {
        return _vouchers.length;
    }

    function voucherAt(uint256 i) external view returns (SignedVoucher memory) {
        return _vouchers[i];
    }

    /// @notice A customer took what it paid for `epoch` beyond `counted` wei.
    function refundTaken(
        address customer,
        uint32 epoch,
        uint256 counted
    ) external returns (uint256 amount) {
        isRefunded[customer][epoch] = true;
        amount = paid[customer][epoch] > counted ? paid[customer][epoch] - counted : 0;
        if (epoch <= lastEpoch) {
            amount = _least(amount, refundable[epoch]);
            refundable[epoch] -= amount;
            refundableInAll -= amount;
        } else {
            unsettledInAll -= amount;
        }
        refunded[epoch] += amount;
        if (isInspectorAt(customer, epoch)) returnedInAll += amount;
        else balanceOf[customer] += amount;
    }

    // ------------------------------------------------------------------ members

    function joined(uint256 key, uint256 threshold_) external {
        address member = _newKey(key);
        uint32 from = currentEpoch() + 2;
        _key[_members.length].set(0, uint160(member));
        MemberRecord storage record = _members.push();
        record.keys.push(member);
        record.fromEpoch = from;
        _threshold.set(from, threshold_);
    }

    function rotated(uint256 slot, uint256 key) external {
        address successor = _newKey(key);
        _members[slot].keys.push(successor);
        _key[slot].set(currentEpoch() + 1, uint160(successor));
    }

    function bonded(uint256 slot, uint256 amount) external {
        _members[slot].bond += amount;
        _members[slot].bondedInAll += amount;
    }

    /// @notice A member leaves, its signatures count until before `untilEpoch`, its seat until before `seatUntil`.
    function left(uint256 slot, uint32 untilEpoch, uint32 seatUntil) public {
        MemberRecord storage record = _members[slot];
        record.untilEpoch = untilEpoch;
        record.seatUntil = seatUntil;
        record.leftIn = currentEpoch();
    }

    function bondWithdrawn(uint256 slot) external {
        _members[slot].bond = 0;
    }

    function feesWithdrawn(uint256 slot) external {
        _members[slot].fees = 0;
    }

    /// @notice All but a tenth of what was taken from all of them together is burned; all of it when nobody proved anything.
    function slashed(uint256[] memory culprits, bool isProven) public returns (uint256 part) {
        uint256 bonds = 0;
        uint32 current = currentEpoch();
        for (uint256 i = 0; i < culprits.length; ++i) {
            MemberRecord storage record = _members[culprits[i]];
            bonds += record.bond;
            record.bond = 0;
            record.isSlashed = true;
            // The seat stays for the next epoch: a slash must not lower the threshold there.
            // Nobody is active before the first epoch.
            uint32 until = current == 0 ? 1 : current;
            if (record.seatUntil == 0) left(culprits[i], until, current + 2);
        }
        part = isProven ? bonds / 10 : 0;
        burned += bonds - part;
    }

    function thresholdSet(uint256 threshold_) external {
        _threshold.set(currentEpoch() + 2, threshold_);
    }

    function slots() external view returns (uint256) {
        return _members.length;
    }

    function memberAt(uint256 slot) external view returns (MemberRecord memory) {
        return _members[slot];
    }

    /// @notice The key that signs for a slot now.
    function signerOf(uint256 slot) public view returns (address) {
        return address(uint160(_key[slot].valueAt(currentEpoch())));
    }

    function newestKeyOf(uint256 slot) external view returns (address) {
        return address(uint160(_key[slot].latest()));
    }

    function isActive(uint256 slot) public view returns (bool) {
        MemberRecord storage record = _members[slot];
        uint32 current = currentEpoch();
        return
            record.fromEpoch <= current &&
            (record.seatUntil == 0 || current < record.untilEpoch) &&
            record.bond >= MINIMUM_BOND;
    }

    function activeSlots() public view returns (uint256[] memory active) {
        active = new uint256[](_members.length);
        uint256 n = 0;
        for (uint256 i = 0; i < _members.length; ++i) if (isActive(i)) active[n++] = i;
        // Cut to what was filled.
        assembly ("memory-safe") {
            mstore(active, n)
        }
    }

    function membersPresent() external view returns (uint256 present) {
        for (uint256 i = 0; i < _members.length; ++i) if (_members[i].seatUntil == 0) ++present;
    }

    function seatsAt(uint32 epoch) public view returns (uint256 seats) {
        for (uint256 i = 0; i < _members.length; ++i) {
            MemberRecord storage record = _members[i];
            bool left_ = record.seatUntil != 0 && epoch >= record.seatUntil;
            if (record.fromEpoch <= epoch && !left_) ++seats;
        }
    }

    function thresholdAt(uint32 epoch) public view returns (uint256) {
        uint256 least = _least(_threshold.valueAt(epoch), seatsAt(epoch));
        return least == 0 ? 1 : least;
    }

    function threshold() public view returns (uint256) {
        return thresholdAt(currentEpoch());
    }

    function signedReports(uint256 slot) external view returns (IEpochLedger.Report[] memory) {
        return _signedReports[slot];
    }

    // ------------------------------------------------------------------ epochs

    function tariffSet(uint16 feeBps) external {
        _feeBps.set(currentEpoch() + 1, feeBps);
    }

    function feeBpsAt(uint32 epoch) public view returns (uint256) {
        return _feeBps.valueAt(epoch);
    }

    function feeOf(uint256 delta, uint32 epoch) public view returns (uint256) {
        return (delta * feeBpsAt(epoch)) / (10_000 - feeBpsAt(epoch));
    }

    /// @notice Whether the last final root can be built upon at all: without a watcher, a corrupt one may promise more
    /// than there are numbers for.
    function accountable() external view returns (bool) {
        uint256 sum = fund[lastEpoch + 1];
        Draft storage last = _final[lastEpoch];
        for (uint256 i = 0; i < last.leaves.length; ++i) sum += last.leaves[i].cumulative;
        return sum <= type(uint96).max;
    }

    function abandonableAt() external view returns (uint256) {
        uint256 sealTime = sealTimeOf(lastEpoch + 1);
        return (sealTime > attemptStartedAt ? sealTime : attemptStartedAt) + TIMEOUT_SECONDS;
    }

    /// @param evidence What convicts the report; empty when nothing does.
    function proposed(
        Draft calldata draft,
        uint256[] calldata signers,
        bytes calldata evidence
    ) external {
        if (isPending) broken("a pending root was overwritten");
        uint256 distinct = 0;
        uint256 bits = 0;
        for (uint256 i = 0; i < signers.length; ++i) {
            if (isActive(signers[i]) && (bits >> signers[i]) & 1 == 0) ++distinct;
            bits |= 1 << signers[i];
            _signedReports[signers[i]].push(draft.report);
        }
        if (distinct < threshold()) broken("too few distinct active members were enough");
        if (ledger.proposal().signers != bits) broken("other signers were written down");
        isPending = true;
        seatsAtProposal = seatsAt(currentEpoch());
        delete _pending;
        _pending.digest = ledger.reportDigest(draft.report);
        _pending.draft = draft;
        _pending.signers = signers;
        _pending.evidence = evidence;
        _pending.windowEnd = time() + WINDOW_SECONDS;
        _pending.until = _pending.windowEnd;
        _pending.isOpen = true;
    }

    function vetoed() external {
        _vetoed.push(_pending);
        if (waitingOf[_pending.digest] == 0) _countVetoed(_pending.until);
        if (vetoesCounted < 2) {
            ++vetoesCounted;
            countsFrom = time();
        }
        _reject();
        delete _pending;
    }

    /// @notice A report was revoked: the pending one, or the vetoed one at `position - 1`.
    function revoked(uint256 position, bool isProven) external returns (uint256 part) {
        OpenReport storage report = _reportAt(position);
        report.isOpen = false;
        part = slashed(report.signers, isProven);
        if (position == 0) _reject();
    }

    function abandoned() external {
        _nextAttempt();
    }

    function finalized() external {
        uint32 epoch = ++lastEpoch;
        Draft storage draft = _pending.draft;
        if (isRejected[_pending.digest]) broken("a rejected root became final");
        uint256 delta = draft.report.total - _final[epoch - 1].report.total;
        uint256 fee = feeOf(delta, epoch);
        if (delta + fee > fund[epoch]) broken("an epoch paid out more than was paid for it");
        if (delta != 0 && draft.report.contributions == 0) {
            broken("an epoch without contributions paid out");
        }
        uint256 each = fee / seatsAtProposal;
        uint256 credited = 0;
        for (uint256 i = 0; i < _pending.signers.length; ++i) {
            MemberRecord storage record = _members[_pending.signers[i]];
            // Who was slashed since it signed earns nothing.
            if (record.bond == 0) continue;
            record.fees += each;
            credited += each;
        }
        if (credited > fee) broken("more fees were credited than there are");
        burned += fee - credited;
        feeFor[epoch] = fee;
        refundable[epoch] = fund[epoch] - delta - fee;
        refundableInAll += refundable[epoch];
        unsettledInAll -= fund[epoch];
        released += delta;
        for (uint256 i = 0; i < draft.leaves.length; ++i) {
            address account = draft.leaves[i].account;
            uint256 cumulative = draft.leaves[i].cumulative;
            bool isOpenable = draft.leafHashes[i] == Trees.hash(draft.leaves[i]);
            if (isOpenable && cumulative > promised[account]) {
                promised[account] = cumulative;
            }
        }
        _final[epoch] = draft;
        if (!draft.isLawful) isHistoryLawful = false;
        isPending = false;
        _forgetClosed();
        attempt = 0;
        attemptStartedAt = time();
        countsFrom = time();
        vetoesCounted = 0;
    }

    function pending() external view returns (Draft memory) {
        return _pending.draft;
    }

    function pendingSigners() external view returns (uint256[] memory) {
        return _pending.signers;
    }

    function pendingReport() external view returns (IEpochLedger.Report memory) {
        return _pending.draft.report;
    }

    /// @notice When the window of the pending report ends.
    function finalizableAt() external view returns (uint256) {
        return _pending.until;
    }

    /// @notice At 0 the last that was pending and not vetoed, and then those that were vetoed: each may be open or not.
    function openReports() external view returns (OpenReport[] memory open) {
        open = new OpenReport[](_vetoed.length + 1);
        for (uint256 i = 0; i < open.length; ++i) open[i] = openReportAt(i);
    }

    function openReportAt(uint256 position) public view returns (OpenReport memory report) {
        report = _reportAt(position);
        report.waiting = waitingOf[report.digest];
        report.isOpen = isOpenAt(position);
    }

    function reports() external view returns (uint256) {
        return _vetoed.length + 1;
    }

    /// @notice Whether the report there is pending; or was vetoed, not convicted, and its epoch is not final or its window
    /// not over.
    function isOpenAt(uint256 position) public view returns (bool) {
        if (position == 0) return isPending;
        OpenReport storage report = _reportAt(position);
        return report.isOpen && (report.draft.report.epoch > lastEpoch || time() < report.until);
    }

    function finalOf(uint32 epoch) external view returns (Draft memory) {
        return _final[epoch];
    }

    function finalReport(uint32 epoch) external view returns (IEpochLedger.Report memory) {
        return _final[epoch].report;
    }

    function guardianSet(bool ofLedger, address guardian_) external {
        (ofLedger ? _guardian : _pauser).set(currentEpoch() + 2, uint160(guardian_));
    }

    function guardian(bool ofLedger) external view returns (address) {
        return address(uint160((ofLedger ? _guardian : _pauser).valueAt(currentEpoch())));
    }

    function _reject() private {
        isRejected[_pending.digest] = true;
        _nextAttempt();
    }

    function _reportAt(uint256 position) private view returns (OpenReport storage) {
        return position == 0 ? _pending : _vetoed[position - 1];
    }

    /// @dev Of the vetoed reports those that can no longer be proven to be anything.
    function _forgetClosed() private {
        for (uint256 i = _vetoed.length; i > 0; --i) {
            if (isOpenAt(i)) continue;
            _vetoed[i - 1] = _vetoed[_vetoed.length - 1];
            _vetoed.pop();
        }
    }

    function _nextAttempt() private {
        isPending = false;
        ++attempt;
        attemptStartedAt = time();
    }

    // ------------------------------------------------------------------ demands

    /// @notice Until when reports that were vetoed can be proven wrong, also of final epochs.
    function provableUntil() external view returns (uint256) {
        for (uint256 i = 0; i < _vetoed.length; ++i) {
            if (_vetoed[i].isOpen && waitingOf[_vetoed[i].digest] != 0) return WAITING;
        }
        return _vetoedUntil;
    }

    function demandsOf(bytes32 digest) external view returns (DemandRecord[] memory) {
        return _demands[digest];
    }

    /// @notice The reports of which anything was ever demanded.
    function demanded() external view returns (bytes32[] memory) {
        return _demanded;
    }

    function wasDemanded(bytes32 digest, IDemands.Node calldata node) external view returns (bool) {
        return _wasDemanded[digest][keccak256(abi.encode(node))];
    }

    /// @notice When the demand that waits for longest is due, of one report; 0 when none waits.
    function dueOf(bytes32 digest) external view returns (uint256 due) {
        DemandRecord[] storage records = _demands[digest];
        for (uint256 i = 0; i < records.length; ++i) {
            if (records[i].waits && (due == 0 || records[i].due < due)) due = records[i].due;
        }
    }

    function demandMade(
        uint256 position,
        IDemands.Node calldata node,
        address by,
        uint256 bond,
        uint256 sent
    ) external {
        OpenReport storage report = _reportAt(position);
        bytes32 digest = report.digest;
        if (_demands[digest].length == 0) _demanded.push(digest);
        uint256 due = time() + ANSWER_SECONDS + waitingInAll * SPACING_SECONDS;
        _demands[digest].push(DemandRecord(node, by, bond, due, true));
        _wasDemanded[digest][keccak256(abi.encode(node))] = true;
        ++waitingOf[digest];
        ++waitingInAll;
        report.until = WAITING;
        bondsWaiting += bond;
        _owe(by, sent - bond);
    }

    /// @notice A demand was answered: a tenth of its bond stays, the answer is paid what it cost, as far as there is, and
    /// the rest comes back.
    function demandAnswered(
        uint256 position,
        uint256 i,
        uint256 cost
    ) external returns (uint256 pay) {
        OpenReport storage report = _reportAt(position);
        DemandRecord storage record = _demands[report.digest][i];
        record.waits = false;
        bondsWaiting -= record.bond;
        uint256 rest = record.bond - record.bond / 10;
        coinsBurned += record.bond / 10;
        pay = _least(cost, rest);
        _owe(record.by, rest - pay);
        report.lastAnswer = time();
        --waitingInAll;
        if (--waitingOf[report.digest] != 0) return pay;
        uint256 until = time() + ANSWER_SECONDS;
        report.until = until > report.windowEnd ? until : report.windowEnd;
        if (position != 0) _countVetoed(report.until);
    }

    /// @notice A demand ended without an answer, as its report did, and its bond goes back.
    function demandEnded(bytes32 digest, uint256 i) external {
        waitingInAll -= waitingOf[digest];
        waitingOf[digest] = 0;
        DemandRecord storage record = _demands[digest][i];
        record.waits = false;
        bondsWaiting -= record.bond;
        _owe(record.by, record.bond);
    }

    function coinsWithdrawn(address account) external returns (uint256 amount) {
        amount = owedTo[account];
        owedTo[account] = 0;
        owedInAll -= amount;
    }

    function _owe(address account, uint256 amount) private {
        owedTo[account] += amount;
        owedInAll += amount;
    }

    function _countVetoed(uint256 until) private {
        if (until > _vetoedUntil) _vetoedUntil = until;
    }

    // ------------------------------------------------------------------ the end

    function closableAt() public view returns (uint256) {
        uint256 sealTime = sealTimeOf(lastEpoch + 1);
        return (sealTime > countsFrom ? sealTime : countsFrom) + CLOSE_DELAY_SECONDS;
    }

    /// @notice Whether so many vetoes put off the closing that nothing is proposed any more.
    function isOverdue() external view returns (bool) {
        return vetoesCounted == 2 && time() >= closableAt();
    }

    function closed() external {
        closedAt = time();
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

    // ------------------------------------------------------------------ arithmetic, names

    /// @notice Of either kind of key.
    function newDevice(uint256 key) public returns (address device) {
        device = Cast.deviceAddress(key);
        keyOf[device] = key;
        publicKeyOf[device] = Cast.publicKeyOf(key);
    }

    /// @dev Among `people` in the order of their addresses.
    function _enter(address[] storage people, address one) private {
        people.push(one);
        for (uint256 i = people.length - 1; i > 0 && people[i - 1] > one; --i) {
            (people[i - 1], people[i]) = (one, people[i - 1]);
        }
    }

    function _newKey(uint256 key) private returns (address signer) {
        signer = VM.addr(key);
        keyOf[signer] = key;
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
