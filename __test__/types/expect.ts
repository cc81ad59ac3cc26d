// For the programs of this folder, which are compiled and never run.

/** Fails to compile unless `Actual` is exactly `Expected`; `any` is exactly `any` only. */
export declare function expectExactly<Expected>(): <Actual>(value: Actual & Exactly<Expected, Actual>) => void;

type Exactly<Expected, Actual> =
  (<T>() => T extends Expected ? 1 : 2) extends <T>() => T extends Actual ? 1 : 2 ? unknown : { expected: Expected };
