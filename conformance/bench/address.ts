import { type BenchCase, variantsOf } from './case.ts';
import type { OpenPart } from './part.ts';

/** Names a part across processes. */
export interface PartAddress {
  readonly caseId: string;
  readonly variant: number;
  readonly role: string;
}

export const findPart = (cases: readonly BenchCase[], { caseId, variant, role }: PartAddress): OpenPart => {
  const found = cases.find(({ id }) => id === caseId);
  const open = found && variantsOf(found)[variant]?.parts[role];
  if (!open) throw new Error(`There is no part ${caseId}/${variant}/${role}.`);
  return open;
};
