package world

import (
	"math"
	"math/rand/v2"
	"time"
)

// weather is the sky and the air outside.
type weather struct {
	cfg         Weather
	temperature float64 // °C
	vapour      float64 // g/m³ of water in the air
	pressure    float64 // hPa
	sunlight    float64 // W/m² on the ground
	cloud       float64 // 0 clear, 1 overcast
	temp, dew   drift   // K, departures from the normal course
	press, sky  drift
}

// drift is a random walk with a pull back to zero (Ornstein-Uhlenbeck).
type drift struct {
	x, sigma, tau   float64
	dt, keep, gives float64 // of the last step, because nearly all steps are alike
}

func (d *drift) step(dt float64, rng *rand.Rand) float64 {
	if dt != d.dt {
		a := math.Exp(-dt / d.tau)
		d.dt, d.keep, d.gives = dt, a, d.sigma*math.Sqrt(1-a*a)
	}
	d.x = d.x*d.keep + d.gives*rng.NormFloat64()
	return d.x
}

// solarConstant reduced by a clear atmosphere, W/m² with the sun overhead.
const clearSky = 1000

// luxPerWatt is the luminous efficacy of daylight, lm/W. Source: Littlefair, Lighting Res. Technol. 17 (1985), mean of clear and overcast.
const luxPerWatt = 110

// outsideCO2 is the CO2 in fresh air, ppm.
const outsideCO2 = 425

func newWeather(cfg Weather, start time.Time, rng *rand.Rand) weather {
	const hour = 3600
	w := weather{
		cfg: cfg,
		// Spread and memory chosen by eye on hourly ambient series: slow fronts, quicker clouds.
		temp:  drift{sigma: 1.8, tau: 14 * hour},
		dew:   drift{sigma: 1.5, tau: 20 * hour},
		press: drift{sigma: 7, tau: 40 * hour},
		sky:   drift{sigma: 0.33, tau: 2 * hour},
	}
	for _, d := range []*drift{&w.temp, &w.dew, &w.press, &w.sky} {
		d.x = d.sigma * rng.NormFloat64() * 0.7
	}
	w.step(start, 0.001, rng)
	return w
}

func (w *weather) step(now time.Time, dt float64, rng *rand.Rand) {
	h := float64(now.Hour()) + float64(now.Minute())/60 + float64(now.Second())/3600
	day := float64(now.YearDay())
	mean := or(w.cfg.Mean, 9.5-9.5*math.Cos(2*math.Pi*(day-20)/365))
	w.cloud = min(1, max(0, 0.45+w.sky.step(dt, rng)))
	elevation := sunElevation(or(w.cfg.Latitude, 50), day, h)
	w.sunlight = clearSky * math.Max(0, elevation) * (1 - 0.75*w.cloud)
	// Clouds flatten the daily course, as they do.
	swing := or(w.cfg.Swing, 5) * (1.2 - 0.6*w.cloud)
	w.temperature = mean + swing*math.Cos(2*math.Pi*(h-15)/24) + w.temp.step(dt, rng)
	dew := mean - 4 + w.dew.step(dt, rng)
	w.vapour = min(saturation(dew), 0.98*saturation(w.temperature))
	// The atmosphere's tide has two maxima a day, at 10 and 22 o'clock, of about half a hectopascal.
	w.pressure = 1013.25 + w.press.step(dt, rng) + 0.5*math.Cos(4*math.Pi*(h-10)/24)
}

// sunElevation is the sine of the sun's height, negative at night. Source: Cooper, Solar Energy 12 (1969).
func sunElevation(latitude, yearDay, hour float64) float64 {
	lat := latitude * math.Pi / 180
	dec := 23.45 * math.Pi / 180 * math.Sin(2*math.Pi*(284+yearDay)/365)
	return math.Sin(lat)*math.Sin(dec) + math.Cos(lat)*math.Cos(dec)*math.Cos(math.Pi*(hour-12)/12)
}

// saturation is the most water that air at t °C holds, g/m³. Source: Magnus formula, WMO-No. 8, annex 4.B.
func saturation(t float64) float64 {
	return 216.7 * 6.112 * math.Exp(17.62*t/(243.12+t)) / (273.15 + t)
}

// relative is the relative humidity in % of air at t °C with v g/m³ of water.
func relative(v, t float64) float64 { return min(100, max(0, 100*v/saturation(t))) }
