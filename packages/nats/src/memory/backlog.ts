/** The messages that wait for their delivery. */

import { Line } from "./line.ts";

/** A message of the broker. */
export interface Message<T> {
  readonly id: string;
  readonly value: T;
  deliveries: number;
  /** Acked or termed. */
  settled: boolean;
  /** The latest delivery, while it has the message. */
  holder: object | undefined;
  /** Whether it was duplicated: a duplicate is not duplicated again. */
  doubled: boolean;
  /** Counts up to make older timers of the message void. */
  turn: number;
  /** Its place in the backlog, while it waits there. */
  place: Place<T> | undefined;
}

/** A place in the backlog. It is empty if its message has another place, or none. */
export interface Place<T> {
  readonly message: Message<T>;
}

/** First come, first served, but a message that comes back goes before new ones. */
export class Backlog<T> {
  readonly #fresh = new Line<Place<T>>();
  readonly #again = new Line<Place<T>>();

  /** Adds a new message. */
  add(id: string, value: T): void {
    this.#fresh.push(put({
      ...{ id, value, deliveries: 0, settled: false },
      ...{ holder: undefined, doubled: false, turn: 0, place: undefined },
    }));
  }

  /** Adds a message to deliver again. A message has at most one place. */
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
