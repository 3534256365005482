import type { Live } from '../../live/live'
import { StorageModel } from '../../live/storage'

const made = new WeakMap<Live, StorageModel>()

/** The one model of the hub's store. It is made here, in a chunk of its own, so that the overview does not wait for it. */
export function storageOf(live: Live): StorageModel {
  let model = made.get(live)
  if (!model) made.set(live, (model = new StorageModel(live.base)))
  return model
}
