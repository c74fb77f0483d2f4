// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {ILawEvents} from "../../../contracts/interfaces/ILawEvents.sol";
import {IRewardDistributor} from "../../../contracts/interfaces/IRewardDistributor.sol";
import {deploy} from "../Deploy.sol";
import {Cast} from "../Suite.sol";
import {Trees} from "../Trees.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {Bystander} from "./Bystander.sol";
import {Customer} from "./Customer.sol";
import {Demander} from "./Demander.sol";
import {Draft} from "./Draft.sol";
import {Gateway} from "./Gateway.sol";
import {Governance} from "./Governance.sol";
import {Manufacturer} from "./Manufacturer.sol";
import {Member} from "./Member.sol";
import {Owner} from "./Owner.sol";
import {Proposer} from "./Proposer.sol";
import {World} from "./World.sol";

/// @title Law
/// @notice What must always hold (design, section 10), after every act of anyone, in any order, with time moving.
contract Law is Actor {
    error Broken(string rule);
    error InVain(string act);
    error Failed(string act, uint256 seed, bytes reason);
    error Convicted();
    error Acquitted();

    Owner internal owner = Owner(_actor("Owner"));
    Manufacturer internal manufacturer = Manufacturer(_actor("Manufacturer"));
    Customer internal customer = Customer(_actor("Customer"));
    Gateway internal gateway = Gateway(_actor("Gateway"));
    Member internal member = Member(_actor("Member"));
    Proposer internal proposer = Proposer(_actor("Proposer"));
    Bystander internal bystander = Bystander(_actor("Bystander"));
    Demander internal demander = Demander(_actor("Demander"));
    Governance internal governance = Governance(_actor("Governance"));
    address[] private _targets;

    constructor(World world_) Actor(world_) {}

    /// @notice Some days before the first epoch: some devices are bound, all customers can pay, one of them an inspector,
    /// and three members sign from the second epoch on.
    function begin() external {
        for (uint256 i = 0; i < 6; ++i) manufacturer.enrol(i);
        for (uint256 i = 0; i < 4; ++i) owner.bind(i);
        for (uint256 i = 0; i < 3; ++i) {
            governance.admit(i);
            customer.deposit(i);
            for (uint256 j = 0; j < 4; ++j) customer.setKey(i + 3 * j);
        }
        governance.addInspector(2);
        governance.restoreQuorum(0);
        _targets = [
            address(owner),
            address(manufacturer),
            address(customer),
            address(gateway),
            address(member),
            address(proposer),
            _actor("Claimer"),
            _actor("Refunder"),
            address(bystander),
            address(demander),
            address(governance),
            _actor("Guardian"),
            _actor("Attacker"),
            // What moves epochs and money on is there more than once, so that the fuzzer chooses it more often.
            _actor("Gateway"),
            _actor("Gateway"),
            _actor("Gateway"),
            _actor("Proposer"),
            _actor("Proposer"),
            _actor("Bystander"),
            _actor("Bystander"),
            _actor("Bystander"),
            address(demander),
            _actor("Guardian"),
            _actor("Refunder"),
            _actor("Claimer")
        ];
    }

    /// @notice Whose acts the fuzzer chooses from.
    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    // ------------------------------------------------------------------ what must always hold

    /// @notice The escrow holds its customers' balances, what was collected and is not settled, and of what is settled
    /// the refunds that were not taken with what rounding left: at most two wei a contribution. Nothing else.
    function theEscrowHoldsExactlyWhatIsOwed() public view {
        _nothingWasBroken();
        uint256 sum = 0;
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) {
            address c = world.customers(i);
            (uint96 thawing, ) = escrow.thawOf(c);
            uint256 balance = escrow.balanceOf(c);
            _require(
                balance == world.balanceOf(c) && thawing == world.thawing(c) && thawing <= balance,
                "a customer's balance or thaw is not what it did"
            );
            sum += balance;
        }
        _require(
            token.balanceOf(address(escrow)) ==
                sum +
                    world.unsettledInAll() +
                    world.refundableInAll() +
                    world.donated(address(escrow)),
            "the escrow holds another sum than it owes"
        );
        _refundsAreWhatIsLeft(_recent(world.lastEpoch()));
    }

    /// @notice What an epoch releases and its fee are paid out of what was collected for it: no payment is moved into
    /// another epoch.
    function noEpochPaysOutMoreThanItsFund() public view {
        _nothingWasBroken();
        _fundIsWhatWasPaid(world.collectableEpoch());
        _fundIsWhatWasPaid(_recent(world.currentEpoch()));
        _paidOutOfItsFund(_recent(world.lastEpoch()));
        (uint32 epoch, bytes32 root, uint96 total, uint32 leaves) = ledger.lastFinal();
        IEpochLedger.Report memory last = world.finalReport(world.lastEpoch());
        _require(
            epoch == last.epoch && root == last.root && total == last.total,
            "the last final epoch is not the one that was finalized"
        );
        _require(
            leaves == world.accountsAt(epoch) && total == world.released(),
            "the total is not the sum of what was released"
        );
    }

    /// @notice Nobody is collected more for an epoch than it signed for that epoch, with a key whose cap allowed it.
    function nobodyPaysMoreThanItSigned() public view {
        _nothingWasBroken();
        uint32[3] memory epochs = [
            world.collectableEpoch(),
            _recent(world.currentEpoch()),
            world.currentEpoch() + 1
        ];
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) {
            address c = world.customers(i);
            for (uint256 j = 0; j < epochs.length; ++j) {
                uint256 paid = escrow.paid(c, epochs[j]);
                _require(paid == world.paid(c, epochs[j]), "a payment counts for another epoch");
                _require(
                    paid <= world.signedFor(c, epochs[j]),
                    "a customer was collected more than it signed, or than a key's cap"
                );
            }
        }
    }

    /// @notice The programme holds its share less what was drawn, and what came back; no epoch draws more than its
    /// emission, no inspector more than its part of it.
    function theProgrammeIssuesNoMoreThanItsEmission() public view {
        _nothingWasBroken();
        _require(
            token.balanceOf(address(programme)) == world.programmeHeld(),
            "the programme holds another sum than what is not issued"
        );
        uint32 epoch = _recent(world.currentEpoch() + 1);
        uint256 drawn = 0;
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) {
            address c = world.customers(i);
            uint256 its = programme.drawn(c, epoch);
            _require(
                programme.isInspectorAt(c, epoch) == world.isInspectorAt(c, epoch),
                "an inspector came or went by itself"
            );
            _require(
                its == world.drawn(c, epoch) && its <= world.shareAt(epoch),
                "an inspector drew more than its share"
            );
            drawn += its;
        }
        _require(
            programme.shareAt(epoch) == world.shareAt(epoch) &&
                drawn == world.drawnFor(epoch) &&
                drawn <= world.emissionOf(epoch),
            "an epoch drew more than its emission"
        );
    }

    /// @notice The distributor holds what was released and is not claimed, and every final root stands.
    function theDistributorHoldsExactlyWhatIsUnclaimed() public view {
        _nothingWasBroken();
        uint32 last = world.lastEpoch();
        _require(
            token.balanceOf(address(distributor)) + world.claimedInAll() ==
                world.released() + world.donated(address(distributor)),
            "the distributor holds another sum than what is final and unclaimed"
        );
        _require(distributor.latestEpoch() == last, "the newest root is not the last final one");
        uint32 epoch = _recent(last);
        IEpochLedger.Report memory report = world.finalReport(epoch);
        (bytes32 root, uint96 total, uint32 leaves) = distributor.rootOf(epoch);
        _require(
            root == report.root && total == report.total && leaves == world.accountsAt(epoch),
            "a final root changed"
        );
    }

    /// @notice Nobody claims more than the most that a final root promises it, and it goes to the payee it chose.
    function nobodyClaimsMoreThanItsPromise() public view {
        _nothingWasBroken();
        address[] memory accounts = world.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            uint256 claimed = distributor.claimed(accounts[i]);
            _require(claimed == world.claimed(accounts[i]), "a claim is not what was paid");
            _require(
                claimed <= world.promised(accounts[i]),
                "an account claimed more than any final root promises it"
            );
            _require(
                distributor.payeeOf(accounts[i]) == world.payeeOf(accounts[i]),
                "an account's payee is not the one it chose"
            );
        }
    }

    /// @notice The quorum holds its members' bonds and fees, and nothing else.
    function theQuorumHoldsExactlyBondsAndFees() public view {
        _nothingWasBroken();
        uint256 sum = 0;
        for (uint256 slot = 0; slot < world.slots(); ++slot) {
            World.MemberRecord memory record = world.memberAt(slot);
            (, , uint256 bond, , ) = quorum.memberOf(record.keys[0]);
            _require(bond == record.bond, "a bond was touched");
            _require(quorum.feesOf(slot) == record.fees, "fees were touched");
            sum += record.bond + record.fees;
        }
        _require(
            token.balanceOf(address(quorum)) == sum + world.donated(address(quorum)),
            "the quorum holds another sum than bonds and fees"
        );
    }

    /// @notice A report takes `max(1, min(threshold set, seats))` signatures in any block: more than half of the seats,
    /// of which there are at least as many as active members. A slash takes a seat, and so lowers that, not before the
    /// epoch after the next.
    function moreThanHalfOfTheSeatsMustSign() public view {
        _nothingWasBroken();
        uint256 seats = quorum.seats();
        uint256 threshold = quorum.threshold();
        _require(
            seats == world.seatsAt(world.currentEpoch()) && threshold == world.threshold(),
            "seats or threshold changed by themselves"
        );
        _require(
            quorum.members() == world.membersPresent(),
            "a member left, or came back, by itself"
        );
        _require(threshold >= 1 && 2 * threshold > seats, "half of the seats are enough");
        uint256 active = 0;
        for (uint256 slot = 0; slot < world.slots(); ++slot) {
            if (_activeKeysAreTheModels(slot)) ++active;
        }
        _require(active <= seats, "an active member has no seat");
    }

    /// @notice What an epoch needs is fixed when it begins, its owners when it ends, its payments when it is sealed;
    /// rules and guardians a whole epoch before it begins. Nor does an account's index ever change.
    function theFactsOfAnEpochStand() public view {
        _nothingWasBroken();
        _factsOfEpochStand(_recent(world.currentEpoch() + 1));
        address[] memory accounts = world.accounts();
        _require(registry.accounts() == accounts.length, "accounts were indexed unseen");
        for (uint256 i = 0; i < accounts.length; ++i) {
            _require(registry.indexOf(accounts[i]) == i, "an account's index changed");
        }
    }

    /// @notice Every contract's revision is the number of its law events, which carry their numbers in order.
    function theRevisionIsTheNumberOfLawEvents() public view {
        _nothingWasBroken();
        _require(!lawLog.outOfOrder(), "a law event has another number than the next");
        ILawEvents[5] memory emitters = [
            ILawEvents(registry),
            ILawEvents(programme),
            ILawEvents(escrow),
            ILawEvents(quorum),
            ILawEvents(ledger)
        ];
        for (uint256 i = 0; i < emitters.length; ++i) {
            _require(
                emitters[i].revision() == lawLog.revisionOf(address(emitters[i])),
                "a revision is not the number of law events"
            );
        }
    }

    /// @notice The ledger is closed when it was closed, not before its time, and then for ever: nothing is pending.
    function aClosedLedgerStaysClosed() public view {
        _nothingWasBroken();
        IEpochLedger.Proposal memory proposal = ledger.proposal();
        bytes32 pending =
            world.isPending() ? ledger.reportDigest(world.pendingReport()) : bytes32(0);
        _require(
            proposal.digest == pending && proposal.attempt == world.attempt(),
            "what is pending is not what was proposed"
        );
        _require(
            world.isPending() || proposal.abandonableAt == world.abandonableAt(),
            "the attempt ends at another time"
        );
        _require(ledger.closedAt() == world.closedAt(), "the ledger was closed or opened unseen");
        _require(ledger.closableAt() == world.closableAt(), "the time to close changed");
        _require(world.closedAt() == 0 || pending == 0, "something is pending after the end");
    }

    /// @notice What can be held against a report that is pending, or was vetoed, convicts it as long as it is open; and
    /// nothing does when it is lawful. What nobody can open is demanded, where somebody watches.
    function unlawfulReportsStayConvictable() public {
        _nothingWasBroken();
        uint256 seed = world.time();
        for (uint256 i = 0; i < world.reports(); ++i) {
            if (!world.isOpenAt(i)) continue;
            World.OpenReport memory report = world.openReportAt(i);
            bytes memory evidence = report.evidence;
            bool isGuilty = evidence.length != 0;
            if (!isGuilty && !report.draft.isLawful && world.watched()) {
                _require(report.waiting != 0, "nobody asks for what cannot be opened");
                continue;
            }
            if (isGuilty) {
                _require(
                    _convicts(report.draft.report, evidence),
                    "an unlawful report is not convicted"
                );
            } else if (world.isHistoryLawful()) {
                _acquits(report.draft, _random(seed, i));
            }
        }
    }

    /// @notice A report has the window that the demands of it leave: for ever while one waits, and then as long as it takes
    /// to disprove what was shown. Nothing else opens or closes it.
    function aReportIsOpenWhileADemandWaits() public view {
        _nothingWasBroken();
        for (uint256 i = 0; i < world.reports(); ++i) {
            World.OpenReport memory report = world.openReportAt(i);
            (uint32 waiting, uint40 lastAnswer) = demands.queueOf(report.digest);
            _require(
                ledger.openUntil(report.digest) == (report.isOpen ? report.until : 0),
                "a window ends at another time"
            );
            _require(
                !report.isOpen || (report.until == world.WAITING()) == (report.waiting != 0),
                "a window ends while a demand waits, or never"
            );
            _require(
                waiting == report.waiting && lastAnswer == report.lastAnswer,
                "demands were made or answered unseen"
            );
        }
        _require(
            ledger.provableUntil() == world.provableUntil(),
            "bonds are needed for another time"
        );
    }

    /// @notice The contract of the demands holds the bonds that wait, what it owes, and the parts that are burned there.
    function demandsHoldExactlyWhatTheyOwe() public view {
        _nothingWasBroken();
        uint256 owed = 0;
        for (uint256 i = 0; i < 4; ++i) {
            address account = _passerBy(i);
            _require(demands.owedTo(account) == world.owedTo(account), "another sum is owed");
            owed += demands.owedTo(account);
        }
        _require(
            owed == world.owedInAll() &&
                address(demands).balance == owed + world.bondsWaiting() + world.coinsBurned(),
            "the demands hold another sum than they owe"
        );
        bytes32[] memory digests = world.demanded();
        if (digests.length == 0) return;
        bytes32 digest = digests[world.time() % digests.length];
        World.DemandRecord[] memory records = world.demandsOf(digest);
        for (uint256 i = 0; i < records.length; ++i) {
            World.DemandRecord memory record = records[i];
            (address by, uint96 bond, uint40 due) = demands.demandOf(digest, record.node);
            _require(
                by == (record.waits ? record.by : address(0)) &&
                    bond == (record.waits ? record.bond : 0) &&
                    due == record.due,
                "a demand is not what was made of it"
            );
        }
    }

    /// @notice Whoever signed a report that can still be disproven, also a vetoed one of a final epoch, has its bond here, or
    /// lost it; and who left has it here until the epoch in which it left, and the next, are final, or an epoch after the
    /// end.
    function bondsStayWhileTheyMayBeNeeded() public view {
        _nothingWasBroken();
        World.OpenReport[] memory open = world.openReports();
        bool ended =
            world.closedAt() != 0 && world.time() >= world.closedAt() + world.EPOCH_SECONDS();
        for (uint256 i = 0; i < open.length; ++i) {
            if (!open[i].isOpen || (ended && world.time() >= open[i].until)) continue;
            for (uint256 j = 0; j < open[i].signers.length; ++j) {
                uint256 slot = open[i].signers[j];
                _require(_isBonded(slot), "a signer took its bond before it was safe to");
            }
        }
        for (uint256 slot = 0; slot < world.slots(); ++slot) {
            World.MemberRecord memory record = world.memberAt(slot);
            bool needed = record.seatUntil == 0 || world.lastEpoch() < record.leftIn + 1;
            if (record.isSlashed || ended || !needed) continue;
            (, , uint256 bond, , ) = quorum.memberOf(record.keys[0]);
            _require(bond == record.bondedInAll, "a bond left before its time");
        }
    }

    /// @notice No token is made, or burned but of slashed bonds and of fees that nobody signed for.
    function tokensAreConserved() public view {
        _nothingWasBroken();
        _require(
            token.totalSupply() == token.initialSupply() - world.burned(),
            "tokens were made, or burned by another way than slashes and fees"
        );
    }

    /// @notice At the end of a run all of it holds, and everything comes to its end: the next epoch can be made final
    /// without the guardian, or nobody does and the ledger is closed; then everybody gets what is its own.
    function everythingEndsWell() external {
        this.everythingHolds();
        for (uint32 epoch = 1; epoch <= world.currentEpoch() + 1; ++epoch) {
            _factsOfEpochStand(epoch);
            _fundIsWhatWasPaid(epoch);
        }
        if (
            world.watched() &&
            world.closedAt() == 0 &&
            world.vetoesCounted() < 2 &&
            world.time() % 2 == 0
        ) _nextBecomesFinal();
        else _endsWell();
        _nobodyIsOwedAnything();
        this.everythingHolds();
    }

    /// @notice The campaign would mean little if its acts were in vain: in a life long enough, each has its effect.
    // solhint-disable-next-line function-max-lines
    function everyActHasItsEffect() external {
        string[73] memory acts = [
            "enrol",
            "revoke",
            "bind",
            "transfer",
            "acceptTransfer",
            "setPayee",
            "setPayeeBySig",
            "deposit",
            "thaw",
            "cancelThaw",
            "withdraw",
            "setKey",
            "setEndpoint",
            "pay",
            "refund",
            "refundWrongly",
            "propose",
            "proposeCorrupt",
            "proposeVoid",
            "proposeUnsigned",
            "equivocate",
            "depositBond",
            "rotate",
            "exit",
            "withdrawBond",
            "withdrawFees",
            "claim",
            "forge",
            "wait",
            "finalize",
            "abandon",
            "setClassLimit",
            "setTariff",
            "setRules",
            "setGuardian",
            "admit",
            "dismiss",
            "addInspector",
            "removeInspector",
            "addMember",
            "setThreshold",
            "removeMember",
            "restoreQuorum",
            "scheduleRetirement",
            "cancelRetirement",
            "retire",
            "veto",
            "pause",
            "resume",
            "usurp",
            "replay",
            "accuse",
            "twist",
            "frame",
            "stealDevice",
            "forgeVoucher",
            "redirect",
            "stealTokens",
            "donate",
            "disprove",
            "settleDemands",
            "demand",
            "answer",
            "answerWrongly",
            "silence",
            "reclaim",
            "withdrawCoins",
            "omit",
            // What comes of one of the acts above, or ends most of them.
            "draw",
            "disproveVetoed",
            "silenceVetoed",
            "demandHidden",
            "close"
        ];
        uint256 callable = acts.length - 5;
        // Every third act is one of those that move epochs and money on.
        string[11] memory often = [
            "wait",
            "propose",
            "pay",
            "finalize",
            "proposeCorrupt",
            "restoreQuorum",
            "veto",
            "disprove",
            "demand",
            "silence",
            "abandon"
        ];
        uint256 n = 0;
        for (; n < 2500 || (n < 12_000 && _firstInVain(acts, acts.length - 1) != 0); ++n) {
            uint256 choice = _random(n, 0);
            string memory act = n % 3 == 0 ? often[choice % often.length] : acts[choice % callable];
            _act(act, _random(n, 1));
            if (n % 10 == 0) this.everythingHolds();
        }
        for (uint256 i = 0; world.isPending(); ++i) _act("finalize", i);
        for (uint256 i = 0; world.closedAt() == 0; ++i) _act("close", _random(i, 2));
        for (uint256 i = n; i < n + 250; ++i) {
            _act(acts[_random(i, 0) % callable], _random(i, 1));
            if (i % 10 == 0) this.everythingHolds();
        }
        this.everythingHolds();
        uint256 inVain = _firstInVain(acts, acts.length);
        require(inVain == 0, InVain(acts[inVain == 0 ? 0 : inVain - 1]));
    }

    /// @dev The number, from 1, of the first act that never had an effect although it can have one; 0 when all had.
    function _firstInVain(string[73] memory acts, uint256 count) private view returns (uint256) {
        for (uint256 i = 0; i < count; ++i) {
            if (world.done(acts[i]) == 0 && _isPossible(acts[i])) return i + 1;
        }
        return 0;
    }

    /// @dev Where nobody watches, nothing is disproven, and even what is honest may build on what is not.
    function _isPossible(string memory act) private view returns (bool) {
        bool needsWatcher =
            _same(act, "disprove") ||
                _same(act, "disproveVetoed") ||
                _same(act, "twist") ||
                _same(act, "demandHidden") ||
                _same(act, "silenceVetoed");
        return world.watched() || !needsWatcher;
    }

    function _same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    /// @dev Of whichever actor has it in its hands.
    function _act(string memory act, uint256 seed) private {
        bytes memory call = abi.encodeWithSignature(string.concat(act, "(uint256)"), seed);
        for (uint256 i = 0; i < _targets.length; ++i) {
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, bytes memory reason) = _targets[i].call(call);
            if (done) return;
            require(reason.length == 0, Failed(act, seed, reason));
        }
        revert InVain(act);
    }

    // ------------------------------------------------------------------ how it ends

    /// @dev A corrupt proposal may be pending; it takes a second one after it, not a third.
    function _nextBecomesFinal() private {
        uint32 next = world.lastEpoch() + 1;
        for (uint256 i = 0; i < 2 && world.lastEpoch() < next; ++i) {
            if (!world.isPending()) _propose(i);
            bystander.abandon(i);
            bystander.finalize(i);
        }
        _nothingWasBroken();
        _require(world.lastEpoch() == next, "the next epoch could not be made final");
    }

    function _propose(uint256 seed) private {
        if (world.activeSlots().length < world.threshold()) {
            governance.restoreQuorum(0);
            world.moveTo(world.endOf(world.currentEpoch() + 1));
        }
        // Whoever wants to be in the way ends the attempt the moment it may: the next one is open for its full time.
        world.moveTo(world.abandonableAt());
        bystander.abandon(seed);
        world.moveTo(world.abandonableAt() - 1);
        bystander.abandon(seed);
        proposer.propose(seed);
    }

    /// @dev Nobody proposes any more, and the ledger is closed. What was paid for epochs that are not final is back in
    /// full, and every bond leaves.
    function _endsWell() private {
        if (world.isPending()) bystander.finalize(0);
        for (uint256 i = 1; i < world.reports(); ++i) bystander.settleDemands(i);
        world.moveTo(world.closableAt());
        // After two vetoes it is too late for an honest report, too.
        if (world.isOverdue()) proposer.proposeVoid(0);
        if (world.closedAt() == 0) _close();
        bytes memory again = abi.encodeCall(ledger.close, ());
        _refused("it was closed twice", _passerBy(0), address(ledger), again);
        proposer.proposeVoid(0);
        gateway.pay(0);
        bystander.abandon(0);
        for (uint32 epoch = world.lastEpoch() + 1; epoch <= world.currentEpoch(); ++epoch) {
            for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) _refund(epoch, world.customers(i), i);
        }
        _require(world.unsettledInAll() == 0, "a payment did not come back after the end");
        for (uint256 slot = 0; slot < world.slots(); ++slot) _leave(slot);
        world.moveTo(world.closedAt() + world.EPOCH_SECONDS());
        world.moveTo(world.provableUntil());
        for (uint256 slot = 0; slot < world.slots(); ++slot) {
            member.withdrawBond(slot);
            _require(world.memberAt(slot).bond == 0, "a bond stayed after the end");
        }
    }

    function _close() private logged {
        ledger.close();
        world.closed();
    }

    function _leave(uint256 slot) private logged {
        if (world.memberAt(slot).seatUntil != 0) return;
        VM.prank(world.newestKeyOf(slot));
        quorum.exit();
        world.left(slot, world.currentEpoch() + 1, world.currentEpoch() + 1);
    }

    /// @dev Every refund is taken, every fee, and what can be claimed: then what is left is rounding.
    function _nobodyIsOwedAnything() private {
        for (uint32 epoch = 1; epoch <= world.lastEpoch(); ++epoch) {
            for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) {
                if (!world.isRefunded(world.customers(i), epoch)) {
                    _refund(epoch, world.customers(i), i);
                }
            }
            _refundsAreWhatIsLeft(epoch);
        }
        for (uint256 slot = 0; slot < world.slots(); ++slot) member.withdrawFees(slot);
        bystander.reclaimAll(0);
        for (uint256 i = 0; i < 4; ++i) demander.withdrawCoins(i);
        _require(
            address(demands).balance == world.bondsWaiting() + world.coinsBurned(),
            "a bond of a demand stayed after the end"
        );
        // Without a watcher a final root may promise more than there is.
        if (world.watched() && world.lastEpoch() != 0) _claimEverything();
    }

    function _claimEverything() private {
        Draft memory draft = world.finalOf(world.lastEpoch());
        IRewardDistributor.Claim[] memory claims = new IRewardDistributor.Claim[](
            draft.leaves.length
        );
        for (uint256 i = 0; i < claims.length; ++i) {
            claims[i] = IRewardDistributor.Claim({
                epoch: draft.report.epoch,
                index: uint32(i),
                account: draft.leaves[i].account,
                cumulative: draft.leaves[i].cumulative,
                prefix: draft.leaves[i].prefix,
                proof: Trees.proof(draft.leafHashes, i)
            });
        }
        world.moveTo(world.pausedUntil());
        distributor.claim(claims);
        for (uint256 i = 0; i < claims.length; ++i) {
            address account = claims[i].account;
            uint256 before = world.claimed(account);
            if (claims[i].cumulative <= before) continue;
            world.paidOut(account, world.payeeOf(account), claims[i].cumulative - before);
        }
        _require(world.claimedInAll() == world.released(), "something could not be claimed");
    }

    // ------------------------------------------------------------------ one thing each

    /// @notice All of it, in a call of its own: memory is free again after it.
    function everythingHolds() external {
        theEscrowHoldsExactlyWhatIsOwed();
        noEpochPaysOutMoreThanItsFund();
        nobodyPaysMoreThanItSigned();
        theProgrammeIssuesNoMoreThanItsEmission();
        theDistributorHoldsExactlyWhatIsUnclaimed();
        nobodyClaimsMoreThanItsPromise();
        theQuorumHoldsExactlyBondsAndFees();
        moreThanHalfOfTheSeatsMustSign();
        theFactsOfAnEpochStand();
        theRevisionIsTheNumberOfLawEvents();
        aClosedLedgerStaysClosed();
        unlawfulReportsStayConvictable();
        aReportIsOpenWhileADemandWaits();
        demandsHoldExactlyWhatTheyOwe();
        bondsStayWhileTheyMayBeNeeded();
        tokensAreConserved();
    }

    function _nothingWasBroken() private view {
        string memory rule = world.brokenRule();
        require(bytes(rule).length == 0, Broken(rule));
    }

    function _require(bool holds, string memory rule) private pure {
        require(holds, Broken(rule));
    }

    /// @dev What the final table leaves to refund is there, and rounding on top.
    function _refundsAreWhatIsLeft(uint32 epoch) private view {
        if (epoch == 0 || epoch > world.lastEpoch()) return;
        Draft memory draft = world.finalOf(epoch);
        ICustomerEscrow.EpochAccount memory account = escrow.epochAccountOf(epoch);
        _require(account.refundable == world.refundable(epoch), "a refund was moved");
        if (!draft.isLawful) return;
        uint256 owed = world.fund(epoch) - draft.counted - world.refunded(epoch);
        uint256 rounding = account.refundable - owed;
        _require(rounding <= 2 * uint256(draft.report.contributions), "more is left than rounding");
    }

    function _fundIsWhatWasPaid(uint32 epoch) private view {
        uint256 fund = 0;
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) fund += escrow.paid(world.customers(i), epoch);
        _require(
            escrow.fund(epoch) == fund && fund == world.fund(epoch),
            "the fund is not what customers paid for the epoch"
        );
    }

    function _paidOutOfItsFund(uint32 epoch) private view {
        if (epoch == 0 || epoch > world.lastEpoch()) return;
        uint256 delta = world.finalReport(epoch).total - world.finalReport(epoch - 1).total;
        ICustomerEscrow.EpochAccount memory account = escrow.epochAccountOf(epoch);
        _require(account.settled, "a final epoch was not settled");
        _require(
            delta + world.feeFor(epoch) + world.refunded(epoch) + account.refundable ==
                account.fund,
            "an epoch paid out another sum than was paid for it"
        );
    }

    function _factsOfEpochStand(uint32 epoch) private view {
        if (epoch == 0) return;
        _require(
            epoch > world.currentEpoch() + 1 ||
                world.factsAtNotice(epoch) == world.noticedFactsOf(epoch),
            "rules or a guardian changed without notice"
        );
        _require(
            epoch > world.currentEpoch() || world.factsAtBegin(epoch) == world.factsOf(epoch),
            "a key, a tariff, a share or the like of an epoch that has begun changed"
        );
        _require(
            epoch > world.endedEpochs() || world.ownersAtEnd(epoch) == world.ownersOf(epoch),
            "an owner in an ended epoch changed"
        );
        _require(
            epoch > world.sealedEpochs() || world.paymentsAtSeal(epoch) == world.paymentsOf(epoch),
            "the payments of a sealed epoch changed"
        );
        _require(
            registry.accountsAt(epoch) == world.accountsAt(epoch),
            "an account has a leaf too early, or none"
        );
    }

    /// @dev Of all keys that a member ever had, the one that is its key now counts, if any.
    function _activeKeysAreTheModels(uint256 slot) private view returns (bool isActive) {
        World.MemberRecord memory record = world.memberAt(slot);
        isActive = world.isActive(slot);
        address signer = world.signerOf(slot);
        for (uint256 i = 0; i < record.keys.length; ++i) {
            address key = record.keys[i];
            _require(
                quorum.isActive(key) == (isActive && key == signer),
                "a member counts that should not, or the other way round"
            );
        }
        (bool known, uint256 its, , uint32 fromEpoch, uint32 untilEpoch) = quorum.memberOf(signer);
        _require(
            known &&
                its == slot &&
                fromEpoch == record.fromEpoch &&
                untilEpoch == record.untilEpoch,
            "a member's record is not what it did"
        );
        _require(!isActive || fromEpoch <= world.currentEpoch(), "a member counts too early");
    }

    function _isBonded(uint256 slot) private view returns (bool) {
        World.MemberRecord memory record = world.memberAt(slot);
        (, , uint256 bond, , ) = quorum.memberOf(record.keys[0]);
        return record.isSlashed || bond >= world.MINIMUM_BOND();
    }

    /// @dev Against what is lawful, anything; everything when it is judged by what was final before another epoch was.
    function _acquits(Draft memory draft, uint256 seed) private {
        uint256 count = prosecutor.countOf(draft);
        uint256 most = draft.report.epoch > world.lastEpoch() ? 1 : count;
        for (uint256 i = 0; i < count && i < most; ++i) {
            (IJudge.Evidence memory about, ) = prosecutor.evidenceOf(draft, addmod(seed, i, count));
            _require(!_convicts(draft.report, abi.encode(about)), "a lawful report is convicted");
        }
    }

    /// @dev Whether `evidence` would convict now: what it does is undone.
    function _convicts(
        IEpochLedger.Report memory report,
        bytes memory evidence
    ) private returns (bool convicted) {
        try this.tryEvidence(report, evidence) {
            assert(false);
        } catch (bytes memory reason) {
            convicted = bytes4(reason) == Convicted.selector;
        }
        // What was undone is recorded all the same: nobody is to read it.
        VM.getRecordedLogs();
    }

    /// @notice Holds `evidence` against a report, and always reverts.
    function tryEvidence(IEpochLedger.Report calldata report, bytes calldata evidence) external {
        try ledger.convict(report, evidence) {
            revert Convicted();
        } catch {
            revert Acquitted();
        }
    }

    /// @dev Of the epochs up to `newest`, one of the four newest: another one with every act.
    function _recent(uint32 newest) private view returns (uint32) {
        uint32 back = uint32(world.time() % 4);
        return newest < back ? newest : newest - back;
    }

    function _actor(string memory role) private returns (address) {
        return deploy(role, abi.encode(world));
    }
}
