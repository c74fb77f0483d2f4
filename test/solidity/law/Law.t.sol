// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {deploy} from "../Deploy.sol";
import {Law} from "./Law.sol";

/// @title LawTest
/// @notice What {Law} says must always hold. Each invariant has runs of its own, and each run ends with all of them.
/// @dev The law is deployed, so that it is compiled once for both worlds.
abstract contract LawTest {
    Law private immutable LAW;

    constructor(bool watched) {
        LAW = Law(deploy("Law", abi.encode(deploy("World", abi.encode(watched)))));
    }

    function setUp() external {
        LAW.begin();
    }

    /// @notice Whose acts the fuzzer chooses from.
    function targetContracts() external view returns (address[] memory) {
        return LAW.targetContracts();
    }

    function invariantTheEscrowHoldsExactlyWhatIsOwed() external view {
        LAW.theEscrowHoldsExactlyWhatIsOwed();
    }

    function invariantNoEpochPaysOutMoreThanItsFund() external view {
        LAW.noEpochPaysOutMoreThanItsFund();
    }

    function invariantNobodyPaysMoreThanItSigned() external view {
        LAW.nobodyPaysMoreThanItSigned();
    }

    function invariantTheProgrammeIssuesNoMoreThanItsEmission() external view {
        LAW.theProgrammeIssuesNoMoreThanItsEmission();
    }

    function invariantTheDistributorHoldsExactlyWhatIsUnclaimed() external view {
        LAW.theDistributorHoldsExactlyWhatIsUnclaimed();
    }

    function invariantNobodyClaimsMoreThanItsPromise() external view {
        LAW.nobodyClaimsMoreThanItsPromise();
    }

    function invariantTheQuorumHoldsExactlyBondsAndFees() external view {
        LAW.theQuorumHoldsExactlyBondsAndFees();
    }

    function invariantMoreThanHalfOfTheSeatsMustSign() external view {
        LAW.moreThanHalfOfTheSeatsMustSign();
    }

    function invariantTheFactsOfAnEpochStand() external view {
        LAW.theFactsOfAnEpochStand();
    }

    function invariantTheRevisionIsTheNumberOfLawEvents() external view {
        LAW.theRevisionIsTheNumberOfLawEvents();
    }

    function invariantAClosedLedgerStaysClosed() external view {
        LAW.aClosedLedgerStaysClosed();
    }

    function invariantUnlawfulReportsStayConvictable() external {
        LAW.unlawfulReportsStayConvictable();
    }

    function invariantAReportIsOpenWhileADemandWaits() external view {
        LAW.aReportIsOpenWhileADemandWaits();
    }

    function invariantDemandsHoldExactlyWhatTheyOwe() external view {
        LAW.demandsHoldExactlyWhatTheyOwe();
    }

    function invariantBondsStayWhileTheyMayBeNeeded() external view {
        LAW.bondsStayWhileTheyMayBeNeeded();
    }

    function invariantTokensAreConserved() external view {
        LAW.tokensAreConserved();
    }

    function afterInvariant() external {
        LAW.everythingEndsWell();
    }

    function testEveryActHasItsEffect() external {
        LAW.everyActHasItsEffect();
    }
}

/// @notice Somebody watches: what can be disproven is, before it is final.
contract WatchedLawTest is LawTest {
    constructor() LawTest(true) {}
}

/// @notice Nobody watches, and corrupt roots become final: the bounds hold all the same.
contract UnwatchedLawTest is LawTest {
    constructor() LawTest(false) {}
}
