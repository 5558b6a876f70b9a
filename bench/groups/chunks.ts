/** Bytes cut anew. The unit is a piece of 1 KiB that comes in; 16 MiB are 16384 of them. */

import { FixedChunkStream } from "../../mod.ts";
import type { Case, Group } from "../harness.ts";
import { pipeItems, repeat } from "../loads.ts";

const PIECE = 1024;

const pieces = (n: number) => {
  const bytes = new Uint8Array(PIECE);
  return repeat(n, () => bytes);
};

async function cut(n: number, size: number): Promise<number> {
  let bytes = 0;
  await pieces(n).pipeThrough(new FixedChunkStream({ size })).pipeTo(
    new WritableStream({
      write(chunk) {
        bytes += chunk.byteLength;
      },
    }),
  );
  return bytes / PIECE;
}

export const chunks: Group = {
  name: "chunks",
  unit: "KiB",
  n: 16_384,
  cases: [
    { kind: "floor", name: "pipeTo a no-op sink", bounded: true, run: (n) => pipeItems(pieces(n)) },
    {
      kind: "floor",
      name: "pipe through an identity TransformStream",
      bounded: true,
      run: (n) => pipeItems(pieces(n).pipeThrough(new TransformStream<Uint8Array, Uint8Array>())),
    },
    weir("FixedChunkStream, into 512 B", (n) => cut(n, 512)),
    weir("FixedChunkStream, into 16 KiB", (n) => cut(n, 16 << 10)),
    weir("FixedChunkStream, into 4 MiB", (n) => cut(n, 4 << 20)),
  ],
};

function weir(name: string, run: Case["run"]): Case {
  return { kind: "weir", name, bounded: true, run };
}
