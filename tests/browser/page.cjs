// Looks at the page of a running fspd as people do. Called by tests/e2e/test_browser.py:
//   node page.cjs PAGE_URL LISTENER_URL FSPCTL CHROMIUM [SCREENSHOTS]
"use strict";
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const path = require("node:path");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const [base, listener, fspctl, executablePath, screenshots] = process.argv.slice(2);
const VIEWS = ["", "?range=7d", "messages", "messages?q=state%3Afailed", "clients", "reports",
  "reports/problems-summary", "reports/client-deployment-status"];
const faults = [];

function send(name, state, ...parameters) {
  const options = parameters.flatMap((p) => ["--param", p]);
  execFileSync(fspctl, ["send", listener, "--topic", "800", "--state", String(state), "--name", name, ...options]);
}

function watch(page) {
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && faults.push(`console: ${m.text()}`));
  page.on("pageerror", (e) => faults.push(`page: ${e.message}`));
  page.on("dialog", (d) => { faults.push(`dialog: ${d.message()}`); d.dismiss(); });
  page.on("request", (r) => new URL(r.url()).origin === new URL(base).origin || faults.push(`foreign: ${r.url()}`));
}

async function accessible(page, what) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => globalThis.axe.run());
  const serious = result.violations.filter((v) => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(serious.map((v) => [v.id, v.nodes.map((n) => n.html)]), [], `${what}: accessibility`);
}

async function shoot(page, name) {
  if (screenshots) {
    await page.screenshot({ path: path.join(screenshots, `${name}.png`), scale: "css" });
  }
}

const tests = {
  async everyViewLoads(page) {
    for (const view of VIEWS) {
      const answer = await page.goto(base + view);
      assert.equal(answer.status(), 200, view);
      assert.equal(await page.locator("h1").count(), 1, view);
      await accessible(page, view);
    }
    await page.goto(base);
    assert.equal(await page.locator(".tile").count(), 8);
    assert.ok(await page.locator("svg.chart rect.accepted").count() >= 1);
    await shoot(page, "overview");
  },

  async search(page) {
    await page.goto(`${base}messages`);
    await page.getByLabel("Search messages").fill("state:failed since:2h");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=state/);
    const classes = await page.locator("#list .badge").allTextContents();
    assert.ok(classes.length >= 2 && classes.every((c) => c.endsWith("-failed")), String(classes));
    await shoot(page, "messages");
    await page.getByLabel("Search messages").fill("colour:red");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("alert").waitFor();
  },

  async drillDown(page) {
    await page.goto(base);
    await page.locator("#problems tbody a").first().click();
    await page.waitForURL(/problems-detail/);
    await page.locator("#list tbody a").first().click();
    await page.waitForURL(/clients\/\d+/);
    await accessible(page, "client");
    await shoot(page, "client");
    await page.locator(".timeline a").first().click();
    await page.waitForURL(/messages\//);
    assert.match(await page.locator("#raw").textContent(), /<Report>/);
    await accessible(page, "message");
    await shoot(page, "message");
  },

  async hostileTextIsText(page) {
    await page.goto(`${base}messages`);
    const text = await page.locator("#list").textContent();
    assert.match(text, /<script>alert\(1\)<\/script>/);
    assert.match(text, /"><img src=x onerror=alert\(1\)>/);
    assert.equal(await page.locator("#list script, #list img").count(), 0);
  },

  async liveUpdate(page) {
    await page.goto(`${base}messages`);
    await page.evaluate(() => { globalThis.stayed = true; });
    send("LIVE-1", 400);
    await page.getByRole("link", { name: "LIVE-1" }).waitFor({ timeout: 20000 });
    await page.getByRole("button", { name: "Pause live update" }).click();
    send("LIVE-2", 400);
    await page.waitForTimeout(7000); // longer than its period
    assert.equal(await page.getByRole("link", { name: "LIVE-2" }).count(), 0);
    await page.getByRole("button", { name: "Resume live update" }).click();
    await page.getByRole("link", { name: "LIVE-2" }).waitFor({ timeout: 20000 });
    assert.equal(await page.evaluate(() => globalThis.stayed), true);
  },

  async darkAndLight(page) {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.goto(base);
    const light = await ground();
    await page.emulateMedia({ colorScheme: "dark" });
    assert.notEqual(await ground(), light);
    for (const view of VIEWS) {
      await page.goto(base + view);
      await accessible(page, `dark ${view}`);
    }
    await page.goto(base);
    await shoot(page, "overview-dark");
  },

  async narrowScreen(page) {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const view of VIEWS) {
      await page.goto(base + view);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${view}: ${width} wide`);
      await accessible(page, `narrow ${view}`);
    }
    await page.goto(base);
    await shoot(page, "overview-narrow");
  },

  async keyboard(page) {
    await page.goto(base);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await page.goto(base);
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press("Tab");
    }
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Messages");
    await page.keyboard.press("Enter");
    await page.waitForURL(/messages$/);
  },

  async withoutScript(page, browser) {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const bare = await context.newPage();
    await bare.goto(`${base}messages?q=state%3Afailed`);
    assert.ok(await bare.locator("#list .badge").count() >= 2);
    await context.close();
  },
};

async function main() {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  let failed = 0;
  send("PC-HOSTILE", 308, "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>");
  for (const [name, test] of Object.entries(tests)) {
    const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, colorScheme: "light" });
    const page = await context.newPage();
    watch(page);
    try {
      await test(page, browser);
      assert.deepEqual(faults, []);
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      faults.length = 0;
      console.log(`FAILED ${name}: ${error.message}`);
    }
    await context.close();
  }
  await browser.close();
  process.exit(failed ? 1 : 0);
}

main();
