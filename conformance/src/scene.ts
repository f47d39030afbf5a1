import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Envelope } from '@logistically/events-kernel';
import type { Arrivals } from './arrivals.ts';
import { type CheckReport, check, type Expectations } from './check.ts';
import type { CaseContext } from './context.ts';
import { createHistory } from './history.ts';
import type { Node } from './node.ts';

/** What a random history is made of. */
export type Command =
  | {
      readonly do: 'publish';
      readonly count: number;
      readonly fails: number;
      readonly ms: number;
      readonly key: number;
    }
  | { readonly do: 'subscribe'; readonly node: number; readonly group: number; readonly concurrency: number }
  | { readonly do: 'unsubscribe'; readonly node: number; readonly group: number; readonly patient: boolean }
  | { readonly do: 'stop'; readonly node: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'restart' };

interface Body {
  /** So many attempts fail. */
  readonly fails: number;
  /** So long a handler works. */
  readonly ms: number;
}

interface Member {
  readonly node: number;
  readonly arrivals: Arrivals<Body>;
}

const IMPATIENT_MS = 4;
/** No command reaches it. */
const FIRST_NODE = -1;

/** A broker, some nodes and their groups, and a history of what happens to them. */
export class Scene {
  readonly #context: CaseContext;
  readonly #type: string;
  readonly #groups: readonly string[];
  readonly #history = createHistory();
  readonly #nodes = new Map<number, Node>();
  readonly #members = new Map<string, Member>();
  #published = Promise.resolve();
  readonly #seen: Node[] = [];
  #publisher: Node | undefined;
  #consumers = 0;

  constructor(context: CaseContext, name: string, groups: number) {
    this.#context = context;
    this.#type = `${name}.happened`;
    this.#groups = Array.from({ length: groups }, (_, index) => `${name}-g${index}`);
  }

  /** Makes the groups, so that they expect every event from the first on. With `keepOpen` each keeps this one consumer. */
  async begin(keepOpen: boolean): Promise<void> {
    this.#publisher = await this.#context.node();
    for (const group of this.#groups.keys()) {
      await this.subscribe(FIRST_NODE, group, 2);
      if (!keepOpen) await this.unsubscribe(FIRST_NODE, group, true);
    }
  }

  async play(command: Command): Promise<void> {
    if (command.do === 'publish') this.#publish(command);
    else if (command.do === 'subscribe') await this.subscribe(command.node, command.group, command.concurrency);
    else if (command.do === 'unsubscribe') await this.unsubscribe(command.node, command.group, command.patient);
    else if (command.do === 'stop') await this.#stop(command.node);
    else if (command.do === 'wait') await sleep(command.ms);
    else await this.#context.settings.restart?.();
  }

  async subscribe(node: number, group: number, concurrency: number): Promise<void> {
    const name = this.#groups[group % this.#groups.length] as string;
    const slot = `${node}/${name}`;
    if (this.#members.has(slot)) return;
    const kernel = await this.#node(node);
    const consumer = `${slot}#${++this.#consumers}`;
    const arrivals = await kernel.collect<Body>(this.#type, {
      group: name,
      concurrency,
      handle: async ({ envelope: { header, body }, context: { signal }, attempt }) => {
        const { fails, ms } = body as Body;
        const event = { id: header.id, group: name, consumer };
        this.#history.record({ fact: 'deliver', ...event, attempt });
        if (ms > 0) await sleep(ms);
        // Who is told to stop does not succeed: a success that comes too late is nobody's loss, and looks like one.
        const failed = attempt <= fails || signal.aborted;
        this.#history.record({ fact: failed ? 'fail' : 'settle', ...event });
        if (failed) throw this.#context.failure(attempt * 2);
      },
    });
    const tapped = kernel.tap.subscriptions.at(-1);
    if (tapped) tapped.onClose = () => this.#history.record({ fact: 'end', consumer });
    this.#members.set(slot, { node, arrivals });
  }

  async unsubscribe(node: number, group: number, patient: boolean): Promise<void> {
    const slot = `${node}/${this.#groups[group % this.#groups.length]}`;
    const member = this.#members.get(slot);
    this.#members.delete(slot);
    await member?.arrivals.unsubscribe(patient ? undefined : IMPATIENT_MS);
  }

  /** Sees to it that every group has a consumer, and judges when all is done or the deadline is over. */
  async end(expectations: Expectations, beyondMs: number): Promise<CheckReport> {
    const judge = (): CheckReport => check(this.#history, { ...expectations, groups: this.#groups });
    for (const [group, name] of this.#groups.entries())
      if (!this.#members.has(`${FIRST_NODE}/${name}`)) await this.subscribe(FIRST_NODE, group, 5);
    await this.#published;
    await this.#context.until(
      () => judge().lost.count === 0,
      () => `nothing is lost: ${JSON.stringify(judge().lost)}`,
      beyondMs,
    );
    for (const node of this.#seen) await node.stop();
    for (const { tap } of this.#seen) {
      for (const { peak, subscription } of tap.subscriptions)
        assert(
          peak <= subscription.concurrency,
          `${peak} unsettled at a time, allowed are ${subscription.concurrency}`,
        );
    }
    return judge();
  }

  async #node(index: number): Promise<Node> {
    const known = this.#nodes.get(index);
    if (known) return known;
    const node = await this.#context.node();
    this.#nodes.set(index, node);
    this.#seen.push(node);
    return node;
  }

  async #stop(index: number): Promise<void> {
    const node = this.#nodes.get(index);
    this.#nodes.delete(index);
    for (const [slot, member] of this.#members) if (member.node === index) this.#members.delete(slot);
    await node?.stop();
  }

  #publish({ count, fails, ms, key }: Command & { readonly do: 'publish' }): void {
    const one = (): Promise<Envelope> | undefined =>
      this.#publisher?.kernel.publish(this.#type, { fails, ms }, { key: String(key) });
    const calls = Promise.allSettled(Array.from({ length: count }, one));
    // Written down in the order of the calls, whatever order the confirmations come in.
    this.#published = this.#published.then(async () => {
      for (const outcome of await calls)
        if (outcome.status === 'fulfilled' && outcome.value)
          this.#history.record({ fact: 'publish', id: outcome.value.header.id, key: String(key) });
    });
  }
}
