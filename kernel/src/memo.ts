/** Remembers what `make` gives for a text: as much as helps with what is hot, and no more than is safe with what is hostile. */
export const memo = <T>(make: (text: string) => T): { (text: string): T; readonly clear: () => void } => {
  const known = new Map<string, T>();
  const recall = (text: string): T => {
    let value = known.get(text);
    if (value === undefined) {
      value = make(text);
      if (known.size > 4095) known.clear();
      known.set(text, value);
    }
    return value;
  };
  return Object.assign(recall, { clear: () => known.clear() });
};
