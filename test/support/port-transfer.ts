// Moves frames from port to port without a bridge: receive, snapshot, transmit to all, release. What
// became of every frame is added up per port and held against what the port was given, every turn.

import type { Port } from '../../src/ports/port.ts';
import { type Batch, Batch as FrameBatch } from '../../src/relay/batch.ts';
import { DROP_COUNT, DROP_REASONS } from '../../src/relay/drop-reason.ts';
import { TransmitResult } from '../../src/relay/egress.ts';
import { snapshotHeaders } from '../../src/relay/snapshot.ts';

/** What became of the frames a port was given. */
export interface PortAccount {
  given: number;
  sent: number;
  sentBytes: number;
  queued: number;
  /** By reason, those that happened. */
  drops: Record<string, number>;
}

/** Moves frames and keeps accounts; throws as soon as one does not balance. */
export class PortTransfer {
  readonly batch: Batch = new FrameBatch();
  /** Frames received that are unfit to be relayed, by reason. */
  readonly refused: Record<string, number> = {};
  /** Frames received that are fit. */
  received = 0;
  readonly #accounts = new Map<Port, PortAccount>();
  readonly #result = new TransmitResult();
  readonly #list = new Uint16Array(1024);

  /** One turn of `from`, every fit frame to every port of `to`; returns how many frames were received. */
  turn(from: Port, to: readonly Port[]): number {
    const { batch } = this;
    batch.reset(from.portNo);
    from.receive(batch);
    snapshotHeaders(batch);
    // A list of a port does not begin at 0.
    const start = 256;
    let count = 0;
    for (let i = 0; i < batch.count; i++) {
      const verdict = batch.verdict[i] as number;
      if (verdict === 0) this.#list[start + count++] = i;
      else {
        const { name } = DROP_REASONS[verdict - 16] as { name: string };
        this.refused[name] = (this.refused[name] ?? 0) + 1;
      }
    }
    this.received += count;
    for (const port of to) {
      this.account(port).given += count;
      this.#settle(port, (result) => port.transmit(batch, this.#list, start, count, result));
    }
    from.release(batch);
    return batch.count;
  }

  /** Turns of `from` until one brings nothing and it holds nothing back. */
  turns(from: Port, to: readonly Port[]): void {
    while (this.turn(from, to) > 0 || from.hasBacklog);
  }

  /** Sends what `port` has queued and can. */
  drain(port: Port): void {
    this.#settle(port, (result) => port.drain(result));
  }

  /** Closes `port`. */
  close(port: Port): void {
    this.#settle(port, (result) => port.close(result));
  }

  /** The account of `port`. */
  account(port: Port): PortAccount {
    let account = this.#accounts.get(port);
    if (account === undefined) {
      account = { given: 0, sent: 0, sentBytes: 0, queued: 0, drops: {} };
      this.#accounts.set(port, account);
    }
    return account;
  }

  #settle(port: Port, act: (result: TransmitResult) => void): void {
    const result = this.#result;
    const account = this.account(port);
    result.clear();
    act(result);
    account.sent += result.sent;
    account.sentBytes += result.sentBytes;
    account.queued += result.queued;
    let dropped = 0;
    for (let r = 0; r < DROP_COUNT; r++) {
      const { name } = DROP_REASONS[r] as { name: string };
      if (result.drops[r] !== 0) account.drops[name] = (account.drops[name] ?? 0) + (result.drops[r] as number);
      dropped += account.drops[name] ?? 0;
    }
    if (account.queued < 0 || account.sent + account.queued + dropped !== account.given) {
      throw new Error(`the account of port ${port.portNo} does not balance: ${JSON.stringify(account)}`);
    }
  }
}
