import {
  mdiAirFilter, mdiAlert, mdiAngleAcute, mdiArrowLeft, mdiBattery, mdiBell, mdiBlindsHorizontal, mdiBrightness5, mdiCamera,
  mdiCeilingLight, mdiCheck, mdiChevronRight, mdiChip, mdiClockAlertOutline, mdiClose, mdiCloseCircleOutline, mdiContentCopy,
  mdiCurrentAc, mdiDevices, mdiDoorOpen, mdiEye, mdiFan, mdiFlash, mdiFormatListBulleted, mdiFormatText, mdiGarage, mdiGauge,
  mdiGestureTapButton, mdiHarddisk, mdiHeartPulse, mdiHomeOutline, mdiLanDisconnect, mdiLightningBolt, mdiLock, mdiMagnify,
  mdiMemory, mdiMeterElectric, mdiMoleculeCo2, mdiMotionSensor, mdiNumeric, mdiPencilOutline, mdiPlus, mdiPowerSocketEu,
  mdiPulse, mdiRadioboxBlank, mdiRefresh, mdiRun, mdiSineWave, mdiSmokeDetector, mdiSofaOutline, mdiSpeedometer, mdiSprout,
  mdiSwapVertical, mdiTableLarge, mdiThemeLightDark, mdiThermometer, mdiThermostat, mdiTimerOutline, mdiTrashCanOutline,
  mdiUpdate, mdiVibrate, mdiVideoOutline, mdiVolumeHigh, mdiWater, mdiWaterAlert, mdiWaterPercent, mdiWaterPump,
  mdiWeatherPouring, mdiWeatherWindy, mdiWeightKilogram, mdiWifi, mdiWindowOpen,
} from '@mdi/js' // prettier-ignore
import type { Entity } from '../wire/schema.gen'

/** Icons of the interface itself, as SVG paths on a 24 × 24 grid. */
export const icon = {
  alert: mdiAlert,
  back: mdiArrowLeft,
  check: mdiCheck,
  close: mdiClose,
  copy: mdiContentCopy,
  devices: mdiDevices,
  edit: mdiPencilOutline,
  failed: mdiCloseCircleOutline,
  find: mdiMagnify,
  home: mdiHomeOutline,
  next: mdiChevronRight,
  offline: mdiLanDisconnect,
  plus: mdiPlus,
  pulse: mdiPulse,
  reload: mdiRefresh,
  rooms: mdiSofaOutline,
  stale: mdiClockAlertOutline,
  table: mdiTableLarge,
  theme: mdiThemeLightDark,
  trash: mdiTrashCanOutline,
} as const

const byClass: Record<string, string> = {
  temperature: mdiThermometer, humidity: mdiWaterPercent, moisture: mdiSprout, carbon_dioxide: mdiMoleculeCo2,
  carbon_monoxide: mdiSmokeDetector, pm25: mdiAirFilter, pm10: mdiAirFilter, aqi: mdiAirFilter,
  volatile_organic_compounds: mdiAirFilter, volatile_organic_compounds_parts: mdiAirFilter, pressure: mdiGauge,
  atmospheric_pressure: mdiGauge, illuminance: mdiBrightness5, power: mdiLightningBolt, apparent_power: mdiLightningBolt,
  energy: mdiMeterElectric, voltage: mdiSineWave, current: mdiCurrentAc, frequency: mdiSineWave, power_factor: mdiAngleAcute,
  battery: mdiBattery, signal_strength: mdiWifi, data_size: mdiHarddisk, data_rate: mdiSwapVertical, duration: mdiTimerOutline,
  speed: mdiSpeedometer, wind_speed: mdiWeatherWindy, precipitation: mdiWeatherPouring,
  precipitation_intensity: mdiWeatherPouring, sound_pressure: mdiVolumeHigh, weight: mdiWeightKilogram, water: mdiWater,
  door: mdiDoorOpen, garage_door: mdiGarage, window: mdiWindowOpen, opening: mdiDoorOpen, motion: mdiMotionSensor,
  occupancy: mdiMotionSensor, presence: mdiMotionSensor, moving: mdiRun, smoke: mdiSmokeDetector, gas: mdiSmokeDetector,
  problem: mdiAlert, running: mdiRun, vibration: mdiVibrate, outlet: mdiPowerSocketEu, plug: mdiPowerSocketEu,
} // prettier-ignore

const byKind: Record<string, string> = {
  sensor: mdiEye, binary_sensor: mdiRadioboxBlank, switch: mdiFlash, light: mdiCeilingLight, climate: mdiThermostat,
  cover: mdiBlindsHorizontal, fan: mdiFan, lock: mdiLock, number: mdiNumeric, select: mdiFormatListBulleted,
  button: mdiGestureTapButton, text: mdiFormatText, camera: mdiCamera, update: mdiUpdate, event: mdiBell,
} // prettier-ignore

const byUnit: Record<string, string> = {
  bpm: mdiHeartPulse, mV: mdiHeartPulse, 'mm/s': mdiVibrate, 'm/s²': mdiVibrate, rpm: mdiSpeedometer, '°C': mdiThermometer,
  MB: mdiMemory, 'B/s': mdiSwapVertical, W: mdiLightningBolt, lx: mdiBrightness5, ppm: mdiMoleculeCo2, hPa: mdiGauge,
  min: mdiTimerOutline, s: mdiTimerOutline,
} // prettier-ignore

const byWord: readonly (readonly [RegExp, string])[] = [
  [/cpu|processor|load/, mdiChip],
  [/memory|ram/, mdiMemory],
  [/disk|storage/, mdiHarddisk],
  [/pump|irrigation|valve/, mdiWaterPump],
  [/leak/, mdiWaterAlert],
  [/camera|video/, mdiVideoOutline],
  [/fan|extractor|ventilat/, mdiFan],
  [/lamp|light/, mdiCeilingLight],
]

/** The picture of an entity: by device class, then by what its name says, then by unit, then by kind. */
export function entityIcon(entity: Entity): string {
  const named = byWord.find(([pattern]) => pattern.test(entity.id))?.[1]
  const unit = entity.channels[0]?.unit
  if (entity.device_class && byClass[entity.device_class]) return byClass[entity.device_class] ?? mdiEye
  if (entity.kind === 'sensor' || entity.kind === 'switch') {
    return named ?? (unit ? byUnit[unit] : undefined) ?? byKind[entity.kind] ?? mdiEye
  }
  return byKind[entity.kind] ?? mdiEye
}
