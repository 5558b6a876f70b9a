import { reportUncaught } from "../shared/promises.ts";
import { openSource, Pump, type Source } from "../shared/source.ts";
import type { StageController } from "./stage.ts";

/** A readable stream of what comes of a source; reads on demand only. */
export function readableFrom<T, R>(
  owner: string,
  source: Source<T>,
  controller: StageController<T, R>,
): ReadableStream<R> {
  const pump = new Pump(openSource(`${owner}.from`, source), (item) => {
    const written = controller.write(item);
    return written ? written.then(() => controller.room()) : controller.room();
  });
  let running = false;
  controller.onError = (reason) => pump.error(reason);
  return new ReadableStream<R>({
    start: (reader) => controller.start(reader),
    pull() {
      controller.pull();
      if (running) return;
      running = true;
      pump.run().then(() => controller.close()).catch((error) => controller.error(error));
    },
    cancel(reason) {
      const cancelled = pump.cancel(reason, reportUncaught);
      controller.error(reason);
      return cancelled;
    },
    type: undefined,
  }, { highWaterMark: 0, size: undefined as never });
}
