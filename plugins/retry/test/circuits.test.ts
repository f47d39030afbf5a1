import { expect, test } from 'vitest';
import type { Circuit } from '../src/circuit.ts';
import { Circuits } from '../src/circuits.ts';

const PLACE = { pattern: 'a.*', group: 'mailer' };

const scene = () => {
  const stopped: number[] = [];
  let made = 0;
  const make = (): Circuit => {
    const number = ++made;
    return { wrap: (handler) => handler, problem: () => `is open: ${number}`, stop: () => void stopped.push(number) };
  };
  return { circuits: new Circuits(), make, stopped };
};

test('a circuit goes with the last of its subscriptions, and the next one begins with its own', () => {
  const { circuits, make, stopped } = scene();
  for (let times = 0; times < 2; times++) {
    circuits.at(PLACE, make);
    circuits.opened(PLACE);
  }
  circuits.ended(PLACE);
  expect(stopped).toEqual([]);
  expect(circuits.problems()).toEqual(['the circuit of a.* in mailer is open: 1']);
  circuits.ended(PLACE);
  expect(stopped).toEqual([1]);
  expect(circuits.problems()).toEqual([]);
  circuits.at(PLACE, make);
  circuits.opened(PLACE);
  expect(circuits.problems()).toEqual(['the circuit of a.* in mailer is open: 2']);
});

test('one that is about to open keeps it', () => {
  const { circuits, make, stopped } = scene();
  const first = circuits.at(PLACE, make);
  circuits.opened(PLACE);
  expect(circuits.at(PLACE, make)).toBe(first);
  circuits.ended(PLACE);
  expect(stopped).toEqual([]);
  expect(circuits.problems()).toEqual([]);
  circuits.opened(PLACE);
  expect(circuits.problems()).toHaveLength(1);
});
