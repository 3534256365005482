import type { Asking } from './http'
import {
  checkBackup,
  checkBackupList,
  checkRetentionPreview,
  checkStorage,
  type Backup,
  type BackupList,
  type RetentionPreview,
  type RetentionRules,
  type Storage,
} from './schema.gen'

/** How a device's readings can be written into a file. */
export const formats = ['csv', 'ndjson', 'senml', 'parquet'] as const
export type Format = (typeof formats)[number]

/** Which readings go into a file. Times are Unix ms; absent = without an end on that side. */
export interface ExportQuery {
  readonly device: string
  readonly format: Format
  /** Empty = every channel of the device. */
  readonly channels: readonly string[]
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** What the hub's HTTP API says of its store and does with it. Every promise may fail as those of [Api] do. */
export interface StorageApi {
  state(): Promise<Storage>
  /** Puts all rules in place of those before. */
  keep(rules: RetentionRules): Promise<Storage>
  /** What rules would delete now. Deletes nothing. */
  preview(rules: RetentionRules, signal: AbortSignal): Promise<RetentionPreview>
  backups(): Promise<BackupList>
  /** Starts a backup and answers before it is done. */
  backUp(): Promise<Backup>
  deleteBackup(name: string): Promise<void>
  /** Where a backup can be downloaded. */
  backupUrl(name: string): string
  /** Where readings can be downloaded. */
  exportUrl(query: ExportQuery): string
}

/** The store's part of the API; `base` is in front of the paths of downloads. */
export function storageApi(ask: Asking, base: string): StorageApi {
  const id = encodeURIComponent
  const path = '/storage/backups'
  return {
    state: () => ask<Storage>('GET', '/storage', { check: checkStorage }),
    keep: (rules) => ask<Storage>('PUT', '/storage/retention', { body: rules, check: checkStorage }),
    preview: (rules, signal) =>
      ask<RetentionPreview>('POST', '/storage/retention/preview', {
        body: rules,
        check: checkRetentionPreview,
        signal,
      }),
    backups: () => ask<BackupList>('GET', path, { check: checkBackupList }),
    backUp: () => ask<Backup>('POST', path, { check: checkBackup }),
    async deleteBackup(name) {
      await ask('DELETE', `${path}/${id(name)}`)
    },
    backupUrl: (name) => `${base}${path}/${id(name)}`,
    exportUrl(q) {
      const query = new URLSearchParams({ format: q.format })
      for (const c of q.channels) query.append('channel', c)
      if (q.from !== undefined) query.set('from', String(Math.round(q.from)))
      if (q.to !== undefined) query.set('to', String(Math.round(q.to)))
      return `${base}/devices/${id(q.device)}/export?${query.toString()}`
    },
  }
}
