import process from "node:process";
import { aggregator } from "./cases/aggregator.ts";
import { batching, chain } from "./cases/batching.ts";
import { fanout } from "./cases/fanout.ts";
import { options } from "./cases/options.ts";
import { map } from "./cases/transforms.ts";
const groups = { aggregator, batching, chain, fanout, map, options } as any;
const [target, warm, rounds = "25"] = process.argv.slice(2);
const find = (path: string) => {
  const [g, name] = path.split(":");
  const group = groups[g];
  return group.cases.filter((c: any) => name === undefined ? c.kind === "weir" : c.name === name)
    .map((c: any) => ({ ...c, n: c.n ?? group.n }));
};
const [t] = find(target);
const warms = warm ? warm.split(";").flatMap(find).filter((c: any) => c.name !== t.name) : [];
async function best(c: any, k: number) {
  let b = 1e9;
  for (let i = 0; i < k; i++) {
    const s = performance.now();
    await c.run(c.n);
    b = Math.min(b, (performance.now() - s) * 1e6 / c.n);
  }
  return b;
}
if (process.env.EACH) {
  console.log("alone", (await best(t, 60)).toFixed(1));
  for (const w of warms) {
    await best(w, 25);
    console.log(w.name.padEnd(45), (await best(t, 40)).toFixed(1));
  }
} else {
  for (let r = 0; r < 3; r++) for (const w of warms) await best(w, 8);
  console.log((await best(t, 60)).toFixed(1));
}
