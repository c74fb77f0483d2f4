/** Printed, so that SEED=… runs the same again. */
export function seedOf(): number {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`        SEED=${seed}`);
  return seed;
}

/** Lehmer's generator: whole numbers below a bound, the same again from the same seed. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = (seed % 2_147_483_646) + 1;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * below);
  };
}
