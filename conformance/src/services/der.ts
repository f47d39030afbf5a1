/** The tags of ASN.1 that a certificate is made of. */
export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
  context: 0x80,
  constructedContext: 0xa0,
} as const;

const lengthOf = (length: number): Buffer => {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
};

/** One value in DER: tag, length, content. Contents of up to 64 KiB. */
export const der = (tag: number, ...contents: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
};

/** A positive integer; its first byte is below 128. */
export const derInteger = (bytes: Buffer): Buffer => der(DerTag.integer, bytes);

export const derBits = (bytes: Buffer, unused: number): Buffer => der(DerTag.bits, Buffer.from([unused]), bytes);

/** A point in time between 1950 and 2049, to the second. */
export const derTime = (epochMs: number): Buffer =>
  der(DerTag.time, Buffer.from(`${new Date(epochMs).toISOString().slice(2, 19).replace(/\D/g, '')}Z`));

const base128 = (value: number): number[] => {
  const digits = [value & 0x7f];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128))
    digits.unshift((rest & 0x7f) | 0x80);
  return digits;
};

/** An object identifier, such as `2.5.4.3`. */
export const derObjectId = (id: string): Buffer => {
  const [first = 0, second = 0, ...rest] = id.split('.').map(Number);
  return der(DerTag.objectId, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
};
