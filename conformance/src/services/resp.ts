/** A reply of Redis: simple and bulk strings are strings, an error inside an array is an `Error`. */
export type RespReply = string | number | null | Error | RespReply[];

/** A command as Redis takes it: an array of bulk strings. */
export const encodeCommand = (args: readonly string[]): string =>
  `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`;

/** Reads the reply that starts at `offset`, or returns undefined while bytes of it are missing. */
export const readReply = (buffer: Buffer, offset = 0): { reply: RespReply; end: number } | undefined => {
  const lineEnd = buffer.indexOf('\r\n', offset);
  if (lineEnd === -1) return undefined;
  const line = buffer.toString('utf8', offset + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(buffer[offset] ?? 0)) {
    case '+':
      return { reply: line, end: next };
    case '-':
      return { reply: new Error(line), end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$':
      return readBulk(buffer, next, Number(line));
    case '*':
      return readArray(buffer, next, Number(line));
    default:
      throw new Error('The answer is not in the Redis protocol (RESP2): the address is not that of a Redis server.');
  }
};

const readBulk = (buffer: Buffer, start: number, length: number): { reply: RespReply; end: number } | undefined => {
  if (length === -1) return { reply: null, end: start };
  const end = start + length + 2;
  return buffer.length < end ? undefined : { reply: buffer.toString('utf8', start, start + length), end };
};

const readArray = (buffer: Buffer, start: number, length: number): { reply: RespReply; end: number } | undefined => {
  if (length === -1) return { reply: null, end: start };
  const items: RespReply[] = [];
  let end = start;
  for (let index = 0; index < length; index++) {
    const item = readReply(buffer, end);
    if (item === undefined) return undefined;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: items, end };
};
