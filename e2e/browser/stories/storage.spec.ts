import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import type {
  BackupList,
  Storage,
} from "../../../dashboard/src/wire/schema.gen";
import { openOverview } from "../harness/look";
import { expect, test } from "../harness/story";

async function openStorage(page: Page): Promise<void> {
  await openOverview(page);
  await page
    .getByRole("navigation", { name: "Main" })
    .getByRole("link", { name: "Storage" })
    .click();
  await expect(page.getByTestId("storage-state")).toHaveAttribute(
    "data-state",
    "ok",
  );
}

test("what the store holds and costs is said, and a healthy one needs no banner", async ({
  hub,
  home,
  page,
}) => {
  expect(home.process.runs).toBe(true);
  await expect
    .poll(async () => (await hub.get<Storage>("/storage")).readings)
    .toBeGreaterThan(0);
  await openStorage(page);
  await expect(page).toHaveTitle("Storage · Telltale");
  await expect(page.getByTestId("storage-state")).toContainText("All well.");
  await expect(page.getByTestId("storage-banner")).toHaveCount(0);
  const wear = page.getByRole("region", { name: "Wear of the card" });
  await expect(wear).toContainText("written");
  await expect(wear).toContainText(/the card|this card/);
  await expect(page.getByRole("region", { name: "Disk" })).toContainText(
    "free of",
  );
});

test("a rule is a draft until the hub has said what it would delete", async ({
  hub,
  home,
  page,
}) => {
  expect(home.process.runs).toBe(true);
  await openStorage(page);
  const rules = page.getByRole("region", {
    name: "How long readings are kept",
  });
  await rules
    .getByRole("button", { name: "A rule for one device or sensor" })
    .click();
  await rules
    .getByRole("combobox", { name: /^Device/ })
    .selectOption({ label: "Kitchen" });
  await rules.getByLabel("What of it").selectOption({ label: "Power" });
  await rules.getByRole("button", { name: "Add", exact: true }).click();
  await rules.getByLabel("Kitchen, Power: keep readings").selectOption("30");
  const preview = rules.getByTestId("retention-preview");
  await expect(preview).toHaveAttribute("data-state", "known");
  await expect(preview).toContainText("This deletes nothing now.");
  expect(
    (await hub.get<Storage>("/storage")).retention,
    "nothing holds before it is saved",
  ).toEqual([]);

  await preview.getByRole("button", { name: "Undo" }).click();
  await expect(preview).toBeHidden();
  await rules.getByLabel("Every device: keep readings").selectOption("365");
  await preview.getByRole("button", { name: "Save" }).click();
  await expect(preview).toBeHidden();
  expect((await hub.get<Storage>("/storage")).retention).toMatchObject([
    { days: 365 },
  ]);
  await page.reload();
  await expect(rules.getByLabel("Every device: keep readings")).toHaveValue(
    "365",
  );
});

test("a backup is made, checked, taken along and deleted", async ({
  hub,
  home,
  page,
}) => {
  expect(home.process.runs).toBe(true);
  await openStorage(page);
  const backups = page.getByRole("region", { name: "Backups" });
  await expect(backups).toContainText("There is none yet.");
  await backups.getByRole("button", { name: "Make a backup" }).click();
  const row = backups.getByTestId("backup");
  await expect(row).toHaveAttribute("data-state", "done", { timeout: 30_000 });
  await expect(row).toContainText("restored and counted");
  const [made] = (await hub.get<BackupList>("/storage/backups")).backups;
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    row.getByRole("link", { name: /^Download/ }).click(),
  ]);
  expect(download.suggestedFilename()).toBe(made?.name);
  expect((await readFile(await download.path())).byteLength).toBe(made?.bytes);

  await row.getByRole("button", { name: /^Delete/ }).click();
  await row.getByRole("button", { name: "Keep it" }).click();
  await row.getByRole("button", { name: /^Delete/ }).click();
  await row.getByRole("button", { name: "Delete for good" }).click();
  await expect(row).toHaveCount(0);
  expect((await hub.get<BackupList>("/storage/backups")).backups).toEqual([]);
});

test("the link to a file says the device, the readings, the time and the kind", async ({
  home,
  page,
}) => {
  expect(home.process.runs).toBe(true);
  await openStorage(page);
  const take = page.getByRole("region", { name: "Take readings with you" });
  await take.getByLabel("Device").selectOption({ label: "Kitchen" });
  await take.getByLabel("File").selectOption("parquet");
  await take.getByLabel("Time").selectOption("all");
  const link = take.getByTestId("export");
  await expect(link).toHaveAttribute(
    "href",
    "/api/v1/devices/sim-kitchen/export?format=parquet",
  );
  await take.getByRole("button", { name: "Power" }).click();
  await expect(link).toHaveAttribute(
    "href",
    "/api/v1/devices/sim-kitchen/export?format=parquet&channel=power.state",
  );
  await take.getByLabel("Time").selectOption("7");
  await expect(link).toHaveAttribute("href", /&from=\d{13}$/);
});

for (const [state, words] of [
  ["tight", "The disk is nearly full."],
  ["full", "The disk is full."],
] as const) {
  test(`a ${state} disk is told on every page`, async ({ home, page }) => {
    expect(home.process.runs).toBe(true);
    // No story can fill the machine's disk: the hub's answer is changed on its way.
    await page.route("**/api/v1/storage", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({
        response: answer,
        json: { ...((await answer.json()) as Storage), state },
      });
    });
    await openOverview(page);
    const banner = page.getByTestId("storage-banner");
    await expect(banner).toContainText(words);
    await page.goto("/#/devices");
    await expect(banner).toBeVisible();
    await banner.getByRole("link", { name: "Storage" }).click();
    await expect(page.getByTestId("storage-state")).toContainText(words);
    await expect(banner, "the page says it itself").toHaveCount(0);
    await page.unrouteAll({ behavior: "ignoreErrors" }); // the page may be asking just now
  });
}
