import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Address } from '../src/index.ts';

const SWITCH = '+switch-master';

type Reply = string | readonly Reply[];

const encode = (reply: Reply): string =>
  typeof reply === 'string'
    ? `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`
    : `*${reply.length}\r\n${reply.map(encode).join('')}`;

/** The commands in what a client sent, each with its arguments; none of them breaks a line. */
const commandsOf = (data: string): string[][] =>
  data
    .split(/^\*\d+\r\n/m)
    .slice(1)
    .map((command) => command.split('\r\n').filter((_, index) => index % 2 === 1));

/** What no real sentinel can be brought to: it says what it is told to, true or not. */
export class FakeSentinel implements AsyncDisposable {
  readonly host = '127.0.0.1';
  port = 0;
  master: Address;
  epoch = 1;
  /** How many other sentinels it says there are. */
  others = 2;
  /** How often it was asked for the master. */
  asked = 0;
  readonly #sockets = new Set<Socket>();
  readonly #subscribers = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#subscribers.delete(socket);
    });
    socket.on('data', (data) => {
      for (const command of commandsOf(String(data))) socket.write(this.#answer(command, socket));
    });
  });

  constructor(master: Address) {
    this.master = master;
  }

  static async start(master: Address): Promise<FakeSentinel> {
    const fake = new FakeSentinel(master);
    fake.#server.listen(0, fake.host);
    await once(fake.#server, 'listening');
    fake.port = (fake.#server.address() as { port: number }).port;
    return fake;
  }

  /** Says from now on that another server is the master, and announces it. */
  announce(master: Address): void {
    const { host, port } = this.master;
    this.master = master;
    this.epoch++;
    const message = ['mymaster', host, port, master.host, master.port].join(' ');
    for (const socket of this.#subscribers) socket.write(encode(['message', SWITCH, message]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #answer([name = '', ...args]: readonly string[], socket: Socket): string {
    const command = `${name} ${name.toUpperCase() === 'SENTINEL' ? args[0] : ''}`.trim().toUpperCase();
    const { host, port } = this.master;
    switch (command) {
      case 'SENTINEL MASTER':
        this.asked++;
        return encode([
          ...['ip', host, 'port', String(port), 'flags', 'master', 'config-epoch', String(this.epoch)],
          ...['num-other-sentinels', String(this.others)],
        ]);
      case 'SENTINEL GET-MASTER-ADDR-BY-NAME':
        return encode([host, String(port)]);
      case 'SENTINEL SENTINELS':
      case 'SENTINEL REPLICAS':
        return encode([]);
      case 'SUBSCRIBE':
        if (args[0] === SWITCH) this.#subscribers.add(socket);
        return `*3\r\n${encode('subscribe')}${encode(args[0] ?? '')}:1\r\n`;
      case 'INFO':
        return encode('# Server\r\nredis_version:7.0.15\r\nrun_id:0\r\n');
      default:
        return '+OK\r\n';
    }
  }
}
