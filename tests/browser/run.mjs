// `make browser`: sets up playwright-core and axe-core as package-lock.json pins them, below the folder it is given, finds a
// Chromium that is installed, and runs check.mjs. It installs nothing for the system and downloads no browser.
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const work = resolve(process.argv[2] ?? "target/browser");

function runs(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The Chromium that CHROMIUM names, or the first that is installed. */
function chromium() {
  const named = process.env.CHROMIUM;
  if (named) return runs(named) ? named : undefined;
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(runs);
  const mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
  return found ?? (runs(mac) ? mac : undefined);
}

/** Installs what the lock file pins, unless that very lock file was installed here before. */
function install() {
  const [lock, before] = [join(here, "package-lock.json"), join(work, "package-lock.json")];
  const isThere = existsSync(before) && existsSync(join(work, "node_modules", "axe-core"));
  if (isThere && readFileSync(before).equals(readFileSync(lock))) return;
  mkdirSync(work, { recursive: true });
  copyFileSync(join(here, "package.json"), join(work, "package.json"));
  copyFileSync(lock, before);
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], { cwd: work, stdio: "inherit" });
}

const browser = chromium();
if (!browser) {
  const where = process.env.CHROMIUM ? `CHROMIUM=${process.env.CHROMIUM} cannot be run` : "no Chromium is installed";
  console.error(`The page was NOT checked: ${where}. Install Debian's package chromium, or name one: make browser CHROMIUM=/path`);
  process.exit(2);
}
install();
// Modules are found beside the file that asks for them.
copyFileSync(join(here, "check.mjs"), join(work, "check.mjs"));
const ran = spawnSync(process.execPath, [join(work, "check.mjs"), browser, work], { stdio: "inherit" });
process.exit(ran.status ?? 1);
