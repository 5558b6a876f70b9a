import { reportUncaught } from "../shared/promises.ts";
import { openSource, Pump, type Source } from "../shared/source.ts";
import type { StageController } from "./stage.ts";

/** A readable stream of what comes of a source; reads on demand only. */
export function readableFrom<T, R>(
  owner: string,
  source: Source<T>,
  controller: StageController<T, R>,
): ReadableStream<R> {
  const pump = new Pump(
    openSource(`${owner}.from`, source),
    (item) => controller.write(item),
    (item, reason) => controller.discard([item], reason),
    () => controller.room(),
  );
  let running = false;
  controller.onError = (reason) => pump.error(reason);
  return new ReadableStream<R>({
    start: (reader) => controller.start(reader),
    pull() {
      controller.pullRequested = true;
      controller.advance();
      if (running) return;
      running = true;
      // What was read before the source failed goes out before its error.
      pump.run()
        .then(() => controller.close(), (error) => controller.close({ error }))
        .catch((error) => controller.error(error));
    },
    cancel(reason) {
      const cancelled = pump.cancel(reason, reportUncaught);
      controller.error(reason);
      return cancelled;
    },
    type: undefined,
  }, { highWaterMark: 0, size: undefined as never });
}
