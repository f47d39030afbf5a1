import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisService } from '../src/services/index.ts';
import { now } from './clock.ts';
import type { Ledger } from './ledger.ts';
import type { Member } from './member.ts';
import { Random } from './random.ts';

interface Scene {
  readonly server: RedisService;
  readonly consumers: readonly Member[];
  readonly producers: readonly Member[];
  readonly ledger: Ledger;
  readonly seed: number;
}

/** Makes one fault and heals it again. `ms`: how long it lasts, where that can be chosen. */
type Make = (scene: Scene, ms: number, random: Random) => Promise<void>;

const onMember =
  (name: string, who: (scene: Scene) => readonly Member[], make: (member: Member, ms: number) => Promise<void>): Make =>
  async (scene, ms, random) => {
    const drawn = random.next();
    const members = who(scene).filter(({ isBusy }) => !isBusy);
    const member = members[Math.floor(drawn * members.length)];
    if (!member) return;
    const suffering = member.name;
    const from = now();
    member.isBusy = true;
    try {
      await make(member, ms);
    } finally {
      member.isBusy = false;
      scene.ledger.write({ fault: name, of: suffering, from, to: now() });
    }
  };

const onServer =
  (name: string, make: (server: RedisService, ms: number) => Promise<void>): Make =>
  async ({ server, ledger }, ms) => {
    const from = now();
    await make(server, ms);
    ledger.write({ fault: name, of: undefined, from, to: now() });
  };

const consumers = ({ consumers }: Scene): readonly Member[] => consumers;
const everybody = ({ consumers, producers }: Scene): readonly Member[] => [...consumers, ...producers];

const killed = async (member: Member, ms: number): Promise<void> => {
  await member.kill();
  await sleep(ms);
  await member.spawn();
};

interface Kind {
  readonly name: string;
  /** How often it is drawn, beside the others. */
  readonly shares: number;
  /** How long it lasts at most. */
  readonly maxMs: number;
  readonly make: Make;
}

const MEMBER_FAULTS: readonly Kind[] = [
  { name: 'consumer killed', shares: 6, maxMs: 1500, make: onMember('killed', consumers, killed) },
  {
    name: 'producer killed',
    shares: 1,
    maxMs: 1000,
    make: onMember('killed', ({ producers }) => producers, killed),
  },
  {
    name: 'consumer paused',
    shares: 5,
    maxMs: 8000,
    make: onMember('paused', consumers, async (member, ms) => {
      member.pause();
      await sleep(ms);
      member.resume();
    }),
  },
  {
    name: 'consumer deployed anew',
    shares: 3,
    maxMs: 0,
    make: onMember('deployed', consumers, async (member) => {
      await member.leave(20_000);
      await member.spawn();
    }),
  },
  {
    name: 'connections cut',
    shares: 6,
    maxMs: 0,
    make: onMember('cut', everybody, async ({ network }) => network.cut()),
  },
  {
    name: 'connections half-open',
    shares: 4,
    maxMs: 8000,
    make: onMember('half-open', everybody, async ({ network }, ms) => {
      network.stall();
      await sleep(ms);
      network.resume();
    }),
  },
  {
    name: 'connections refused',
    shares: 2,
    maxMs: 4000,
    make: onMember('refused', everybody, async ({ network }, ms) => {
      await network.refuse();
      network.cut();
      await sleep(ms);
      await network.accept();
    }),
  },
];

const SERVER_FAULTS: readonly Kind[] = [
  {
    name: 'server restarted',
    shares: 1,
    maxMs: 0,
    make: onServer('server restarted', async (server) => server.restart()),
  },
  {
    name: 'server killed',
    shares: 1,
    maxMs: 2000,
    make: onServer('server killed', async (server, ms) => {
      await server.kill();
      await sleep(ms);
      await server.start();
    }),
  },
  {
    name: 'server frozen',
    shares: 1,
    maxMs: 4000,
    make: onServer('server frozen', async (server, ms) => {
      await server.freeze();
      await sleep(ms);
      await server.thaw();
    }),
  },
];

/** Makes faults until `end` (ms since the epoch), two of processes and one of the server at a time. Resolves with how many of each. */
export const makeFaults = async (scene: Scene, end: number): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {};
  const lane = async (kinds: readonly Kind[], random: Random, maxPauseMs: number): Promise<void> => {
    const total = kinds.reduce((sum, { shares }) => sum + shares, 0);
    for (;;) {
      await sleep(random.between(maxPauseMs / 10, maxPauseMs));
      let drawn = random.between(0, total);
      const kind = kinds.find(({ shares }) => {
        drawn -= shares;
        return drawn < 0;
      }) as Kind;
      const lastsMs = random.between(0, kind.maxMs);
      if (Date.now() >= end) return;
      await kind.make(scene, lastsMs, random);
      counts[kind.name] = (counts[kind.name] ?? 0) + 1;
    }
  };
  const { seed } = scene;
  await Promise.all([
    lane(MEMBER_FAULTS, new Random(seed + 1), 2000),
    lane(MEMBER_FAULTS, new Random(seed + 2), 2000),
    lane(SERVER_FAULTS, new Random(seed + 3), 20_000),
  ]);
  return counts;
};
