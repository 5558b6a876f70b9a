/**
 * Loads the entry points that its arguments name, by `import` and by `require`, and uses them.
 */

const root = "@weir/streams";
const entries = process.argv.slice(2);

async function main() {
  for (const entry of entries) {
    const imported = await import(entry);
    const required = require(entry);
    for (const name of Object.keys(imported)) {
      if (required[name] !== imported[name]) throw new Error(`${entry}: two of ${name}`);
      if (entry.startsWith(root) && !(name in require(root))) {
        throw new Error(`${entry}: the root has no ${name}`);
      }
    }
  }
  const { BatchStream, Fanout } = require(root);
  let sum = 0;
  const add = (batch) => batch.forEach((n) => sum += n);
  await BatchStream.from([1, 2, 3], 2).pipeTo(new Fanout(add));
  console.log(`${entries.length} entry points, ${sum}`);
}

main();
