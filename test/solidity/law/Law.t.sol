// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {deploy} from "../Deploy.sol";
import {Actor} from "./Actor.sol";
import {Bystander} from "./Bystander.sol";
import {Customer} from "./Customer.sol";
import {Governance} from "./Governance.sol";
import {Manufacturer} from "./Manufacturer.sol";
import {Proposer} from "./Proposer.sol";
import {Owner} from "./Owner.sol";
import {World} from "./World.sol";

/// @title Law
/// @notice What must always hold (design, section 11), after every act of anyone, in any order, with time moving.
/// @dev One function checks everything after every act: with a function for each item, each would get a part of the runs
/// only. A violation names the item by its number in the design.
abstract contract Law is Actor {
    error Broken(uint256 item, string rule);
    error InVain(string act);

    Owner internal owner = Owner(_actor("Owner"));
    Manufacturer internal manufacturer = Manufacturer(_actor("Manufacturer"));
    Customer internal customer = Customer(_actor("Customer"));
    Proposer internal proposer = Proposer(_actor("Proposer"));
    Bystander internal bystander = Bystander(_actor("Bystander"));
    Governance internal governance = Governance(_actor("Governance"));
    address[] private _targets;

    /// @notice A week before the first epoch: some devices are bound, two customers can pay, three members can sign.
    function setUp() external {
        for (uint256 i = 0; i < 6; ++i) manufacturer.enrol(i);
        for (uint256 i = 0; i < 4; ++i) owner.bind(i);
        for (uint256 i = 0; i < 2; ++i) {
            governance.admit(i);
            customer.deposit(i);
            for (uint256 j = 0; j < 4; ++j) customer.addKey(i + 3 * j);
        }
        governance.restoreQuorum(0);
        _targets = [
            address(owner),
            address(manufacturer),
            address(customer),
            _actor("Member"),
            address(proposer),
            _actor("Claimer"),
            address(bystander),
            address(governance),
            _actor("Guardian"),
            _actor("Attacker"),
            // What moves epochs on is there more than once, so that the fuzzer chooses it more often.
            _actor("Proposer"),
            _actor("Proposer"),
            _actor("Bystander"),
            _actor("Bystander"),
            _actor("Bystander"),
            _actor("Claimer")
        ];
    }

    /// @notice Whose acts the fuzzer chooses from.
    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantTheLawHolds() external view {
        _nothingWasBroken();
        _distributorHoldsWhatIsUnclaimed();
        _totalStaysWithinBudget();
        _nobodyClaimedBeyondItsPromise();
        _ledgerPaidOutOnlyFinalsAndRetirement();
        _finalRootsStand();
        _bondsAreUntouched();
        _factsOfEpochStand(_someEpoch());
        _accountsKeepTheirIndex();
        _escrowHoldsWhatCustomersOwn();
        _tokensAreConserved();
    }

    /// @notice At the end of a run: the facts of all epochs stand, and whatever happened, the next epoch can be made final
    /// without the guardian.
    function afterInvariant() external {
        for (uint32 epoch = 1; epoch <= world.endedEpochs(); ++epoch) _factsOfEpochStand(epoch);
        if (!world.watched() || world.retired()) return;
        uint32 next = world.lastEpoch() + 1;
        // A corrupt proposal may be pending; it takes a second one after it, not a third.
        for (uint256 i = 0; i < 2 && world.lastEpoch() < next; ++i) {
            if (!world.isPending()) _propose(i);
            bystander.abandon(i);
            bystander.finalize(i);
        }
        _nothingWasBroken();
        require(world.lastEpoch() == next, Broken(14, "the next epoch could not be made final"));
        this.invariantTheLawHolds();
    }

    /// @notice The campaign would mean little if its acts were in vain: in a life long enough, each has its effect.
    // solhint-disable-next-line function-max-lines
    function testEveryActHasItsEffect() external {
        string[53] memory acts = [
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
            "addKey",
            "removeKey",
            "pay",
            "propose",
            "proposeCorrupt",
            "proposeVoid",
            "proposeUnsigned",
            "equivocate",
            "depositBond",
            "exit",
            "withdrawBond",
            "claim",
            "forge",
            "wait",
            "finalize",
            "abandon",
            "setClassLimit",
            "setTariff",
            "setRules",
            "admit",
            "dismiss",
            "addMember",
            "setThreshold",
            "removeMember",
            "scheduleRetirement",
            "cancelRetirement",
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
            "restoreQuorum",
            "redirect",
            "stealTokens",
            "donate",
            "disprove",
            // The last, for it ends the ledger.
            "retire"
        ];
        for (uint256 i = 0; i < 3000; ++i) {
            // Every third act is one of those that move epochs on.
            string memory act =
                i % 3 == 0
                    ? ["wait", "propose", "finalize", "proposeCorrupt"][_random(i, 0) % 4]
                    : acts[_random(i, 0) % (i < 2500 ? acts.length - 1 : acts.length)];
            _act(act, _random(i, 1));
            if (i % 10 == 0) this.invariantTheLawHolds();
        }
        this.invariantTheLawHolds();
        for (uint256 i = 0; i < acts.length; ++i) {
            bool possible = world.watched() || !_same(acts[i], "disprove");
            require(world.done(acts[i]) != 0 || !possible, InVain(acts[i]));
        }
    }

    /// @dev Of whichever actor has it in its hands.
    function _act(string memory act, uint256 seed) private {
        bytes memory call = abi.encodeWithSignature(string.concat(act, "(uint256)"), seed);
        for (uint256 i = 0; i < _targets.length; ++i) {
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, ) = _targets[i].call(call);
            if (done) return;
        }
        revert InVain(act);
    }

    function _same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    function _propose(uint256 seed) private {
        if (world.activeMembers().length < world.threshold()) {
            governance.restoreQuorum(0);
            world.moveTo(world.endOf(world.currentEpoch()));
        }
        // Whoever wants to be in the way ends the attempt the moment it may: the next one is open for its full time.
        world.moveTo(world.abandonableAt());
        bystander.abandon(seed);
        world.moveTo(world.abandonableAt() - 1);
        bystander.abandon(seed);
        proposer.propose(seed);
    }

    function _nothingWasBroken() private view {
        require(world.brokenItem() == 0, Broken(world.brokenItem(), world.brokenRule()));
    }

    function _distributorHoldsWhatIsUnclaimed() private view {
        uint256 total = world.finalReport(world.lastEpoch()).total;
        uint256 held = token.balanceOf(address(distributor));
        require(
            held + world.claimedInAll() == total + world.donated(address(distributor)),
            Broken(1, "the distributor holds another sum than what is final and unclaimed")
        );
    }

    function _totalStaysWithinBudget() private view {
        (, , uint96 total, , uint96 carry) = ledger.lastFinal();
        require(
            total == world.finalReport(world.lastEpoch()).total,
            Broken(2, "the total is not the last final one")
        );
        require(
            uint256(total) + carry <= world.budgetInAll(),
            Broken(2, "more was released and carried than emission and fund")
        );
        require(carry == world.carry(), Broken(2, "another sum was carried than was left over"));
        require(
            ledger.budgetOf(world.lastEpoch() + 1) == world.budget(),
            Broken(2, "the next budget is not its emission, its fund and the carry")
        );
    }

    function _nobodyClaimedBeyondItsPromise() private view {
        address[] memory accounts = world.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            uint256 claimed = distributor.claimed(accounts[i]);
            require(
                claimed == world.claimed(accounts[i]),
                Broken(10, "what is claimed is not the sum of what was paid")
            );
            require(
                claimed <= world.promised(accounts[i]),
                Broken(3, "an account claimed more than any final root promises it")
            );
            require(
                distributor.payeeOf(accounts[i]) == world.payeeOf(accounts[i]),
                Broken(3, "an account's payee is not the one it chose")
            );
        }
    }

    function _ledgerPaidOutOnlyFinalsAndRetirement() private view {
        uint256 received =
            world.EMISSION_SHARE() + world.collectedInAll() + world.donated(address(ledger));
        uint256 spent = world.released() + world.retiredAmount();
        require(
            token.balanceOf(address(ledger)) + spent == received,
            Broken(4, "tokens left the ledger by another way than finalize and retire")
        );
    }

    function _finalRootsStand() private view {
        uint32 last = world.lastEpoch();
        (uint32 epoch, bytes32 root, , uint32 leaves, ) = ledger.lastFinal();
        require(epoch == last, Broken(5, "an epoch became final unseen"));
        IEpochLedger.Report memory report = world.finalReport(last);
        require(
            root == report.root && leaves == report.leaves && distributor.latestEpoch() == last,
            Broken(5, "the last final root is not the one that was finalized")
        );
        IEpochLedger.Proposal memory proposal = ledger.proposal();
        bytes32 pending =
            world.isPending() ? ledger.reportDigest(world.pendingReport()) : bytes32(0);
        require(
            proposal.digest == pending && proposal.attempt == world.attempt(),
            Broken(5, "what is pending is not what was proposed")
        );
        require(
            world.isPending() || proposal.abandonableAt == world.abandonableAt(),
            Broken(14, "the attempt ends at another time")
        );
        for (uint32 e = last > 3 ? last - 3 : 1; e <= last; ++e) {
            report = world.finalReport(e);
            (bytes32 published, uint96 total, uint32 count) = distributor.rootOf(e);
            require(
                published == report.root && total == report.total && count == report.leaves,
                Broken(5, "a final root changed")
            );
        }
    }

    function _bondsAreUntouched() private view {
        address[] memory members = world.members();
        uint256 bonds = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            World.MemberRecord memory record = world.recordOf(members[i]);
            (, , uint256 bond, , uint256 leftAt) = quorum.memberOf(members[i]);
            require(bond == record.bond, Broken(7, "an honest member's bond was touched"));
            require(leftAt == record.leftAt, Broken(8, "a member left, or came back, by itself"));
            require(
                quorum.isActive(members[i]) == world.isActive(members[i]),
                Broken(8, "a member counts that should not, or the other way round")
            );
            bonds += bond;
        }
        require(
            quorum.threshold() == world.threshold() && quorum.members() == world.membersPresent(),
            Broken(8, "members or threshold changed by themselves")
        );
        require(
            token.balanceOf(address(quorum)) == bonds + world.donated(address(quorum)),
            Broken(8, "the quorum does not hold the bonds")
        );
    }

    function _factsOfEpochStand(uint32 epoch) private view {
        require(
            epoch == 0 || world.factsAtEnd(epoch) == world.factsOf(epoch),
            Broken(9, "an owner, a key or a tariff of an ended epoch changed")
        );
        require(
            epoch == 0 ||
                epoch > world.sealedEpochs() ||
                world.paymentsAtSeal(epoch) == world.paymentsOf(epoch),
            Broken(9, "the payments of a sealed epoch changed")
        );
    }

    function _accountsKeepTheirIndex() private view {
        address[] memory accounts = world.accounts();
        require(registry.accounts() == accounts.length, Broken(9, "accounts were indexed unseen"));
        for (uint256 i = 0; i < accounts.length; ++i) {
            require(registry.indexOf(accounts[i]) == i, Broken(9, "an account's index changed"));
        }
    }

    function _escrowHoldsWhatCustomersOwn() private view {
        uint256 sum = 0;
        uint32 current = world.currentEpoch();
        uint256 fund = 0;
        for (uint256 i = 0; i < 3; ++i) {
            address c = world.customers(i);
            uint256 balance = escrow.balanceOf(c);
            (uint96 thawing, ) = escrow.thawOf(c);
            require(
                balance == world.balanceOf(c) && thawing == world.thawing(c) && thawing <= balance,
                Broken(11, "a customer's balance or thaw is not what it did")
            );
            require(
                escrow.collected(c) == world.collected(c) &&
                    escrow.collected(c) <= world.signedFor(c),
                Broken(11, "a customer was collected more than it signed")
            );
            require(
                escrow.paid(c, current) == world.paid(c, current),
                Broken(11, "a payment counts for another epoch")
            );
            fund += escrow.paid(c, current);
            sum += balance;
        }
        require(
            escrow.fund(current) == fund && fund == world.fund(current),
            Broken(11, "the fund is not what customers paid")
        );
        require(
            token.balanceOf(address(escrow)) == sum + world.donated(address(escrow)),
            Broken(11, "the escrow does not hold its customers' balances")
        );
    }

    function _tokensAreConserved() private view {
        require(
            token.totalSupply() == token.SUPPLY() - world.burned(),
            Broken(4, "tokens were made, or burned without a slash")
        );
    }

    function _actor(string memory role) private returns (address) {
        return deploy(role, abi.encode(world));
    }

    /// @dev Another one with every act, the newest ones mostly.
    function _someEpoch() private view returns (uint32) {
        uint32 ended = world.endedEpochs();
        if (ended < 4) return ended;
        return ended - uint32(world.time() % 4);
    }
}

/// @notice Somebody watches: what can be disproven is, before it is final.
contract WatchedLawTest is Law {
    constructor() Actor(World(deploy("World", abi.encode(true)))) {}
}

/// @notice Nobody watches, and corrupt roots become final: the bounds hold all the same.
contract UnwatchedLawTest is Law {
    constructor() Actor(World(deploy("World", abi.encode(false)))) {}
}
