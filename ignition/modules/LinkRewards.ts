import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

/**
 * The suite, wired once and for all: every role goes to its holder in a constructor, the emission share to the programme
 * and the rest of the supply to the treasury. The deployer's only powers, linking and the first balance, are used up
 * here. Governance sets the class limits, customers, inspectors and members afterwards.
 */
export default buildModule("LinkRewards", (m) => {
  const governance = m.getParameter<string>("governance");
  const guardian = m.getParameter<string>("guardian");
  const emissionShare = m.getParameter<bigint>("emissionShare");

  const token = m.contract("LinkToken", [
    m.getParameter("tokenName"),
    m.getParameter("tokenSymbol"),
    m.getParameter("initialSupply"),
    m.getAccount(0),
  ]);
  const registry = m.contract("DeviceRegistry", [
    m.getParameter("genesis"),
    m.getParameter("epochSeconds"),
    m.getParameter("graceSeconds"),
    governance,
    m.getParameter<string>("manufacturer"),
  ]);
  const programme = m.contract("RewardProgramme", [token, registry, emissionShare, governance]);
  const escrow = m.contract("CustomerEscrow", [
    token,
    registry,
    programme,
    m.getParameter("thawSeconds"),
    governance,
    m.getParameter<string>("admission"),
  ]);
  const quorum = m.contract("OracleQuorum", [
    token,
    registry,
    m.getParameter("minimumBond"),
    governance,
  ]);
  const distributor = m.contract("RewardDistributor", [
    token,
    registry,
    programme,
    escrow,
    quorum,
    governance,
    guardian,
  ]);
  const judge = m.contract("Judge", [registry, escrow]);
  const demands = m.contract("Demands", [
    m.getParameter("answerSeconds"),
    m.getParameter("spacingSeconds"),
    m.getParameter("demandBond"),
  ]);
  const ledger = m.contract("EpochLedger", [
    {
      registry,
      escrow,
      quorum,
      distributor,
      demands,
      proposalTimeoutSeconds: m.getParameter("proposalTimeoutSeconds"),
      windowSeconds: m.getParameter("windowSeconds"),
      rulesHash: m.getParameter("rulesHash"),
      judge,
      tariff: {
        egressPrice: m.getParameter("egressPrice"),
        storagePrice: m.getParameter("storagePrice"),
        computePrice: m.getParameter("computePrice"),
        feeBps: m.getParameter("feeBps"),
      },
      governance,
      guardian,
    },
  ]);

  m.call(programme, "linkLedger", [ledger]);
  m.call(escrow, "linkLedger", [ledger]);
  m.call(quorum, "linkLedger", [ledger]);
  m.call(distributor, "linkLedger", [ledger]);
  m.call(demands, "linkLedger", [ledger]);

  const funded = m.call(token, "transfer", [programme, emissionShare], { id: "fundProgramme" });
  const rest = m.staticCall(token, "balanceOf", [m.getAccount(0)], 0, { after: [funded] });
  m.call(token, "transfer", [m.getParameter<string>("treasury"), rest], { id: "fundTreasury" });

  return { token, registry, programme, escrow, quorum, distributor, judge, demands, ledger };
});
