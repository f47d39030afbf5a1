export const SLOTS = 16_384;

/** CRC16-CCITT (XMODEM), as the specification of Redis Cluster has it. */
const crc16 = (bytes: Buffer): number => {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) >>> 0) & 0xffff;
  }
  return crc;
};

/** The slot of a key: of what stands between its first `{` and the next `}`, where that is something. */
export const slotOf = (key: string): number => {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  return crc16(Buffer.from(hashed)) % SLOTS;
};
