/** The messages that wait to be handed out. */

import { Line } from "./line.ts";

/** A message of the broker. */
export interface Message<T> {
  readonly id: string;
  readonly value: T;
  deliveries: number;
  /** Acked or termed. */
  settled: boolean;
  /** The latest delivery, while that has it. */
  holder: object | undefined;
  /** Whether it was put here though its delivery had it: the next one is not doubled again. */
  doubled: boolean;
  /** Counts up whenever what was due for it no longer is. */
  turn: number;
  /** Its place in the backlog, while it waits there. */
  place: Place<T> | undefined;
}

/** A place in the backlog. It is nobody's if the message that had it has another one, or none. */
export interface Place<T> {
  readonly message: Message<T>;
}

/** First come, first served, but what comes back goes before what is new. */
export class Backlog<T> {
  readonly #fresh = new Line<Place<T>>();
  readonly #again = new Line<Place<T>>();

  /** A new message. */
  add(id: string, value: T): void {
    this.#fresh.push(put({
      ...{ id, value, deliveries: 0, settled: false },
      ...{ holder: undefined, doubled: false, turn: 0, place: undefined },
    }));
  }

  /** One that is to be handed out again: it has one place at most. */
  addAgain(message: Message<T>): void {
    if (!message.place) this.#again.push(put(message));
  }

  /** Takes the next. */
  next(): Message<T> | undefined {
    for (;;) {
      const place = this.#again.shift() ?? this.#fresh.shift();
      if (!place) return undefined;
      const { message } = place;
      if (message.place !== place) continue;
      message.place = undefined;
      return message;
    }
  }
}

function put<T>(message: Message<T>): Place<T> {
  message.place = { message };
  return message.place;
}
