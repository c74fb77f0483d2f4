/** What is worth a transaction. */
export type CollectTerms = {
  /** What a voucher must bring at least, in wei of LinkToken: what is less is left to whoever wants it. */
  readonly minimum: bigint;
  /** What one LinkToken is worth, in wei of the chain's coin. Without it nothing is compared with the price of gas. */
  readonly linkPrice?: bigint | undefined;
};
