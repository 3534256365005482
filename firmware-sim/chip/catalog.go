package chip

import "time"

// Model is a chip that can be broken on purpose.
type Model interface {
	Device
	// Set changes its condition.
	Set(Condition)
}

// kind says what a chip measures at its place, by the names that the world uses, and makes one.
type kind struct {
	quantities []string
	make       func(at func(quantity string) Signal, mono Mono, seed uint64) Model
	talk       func(at func(quantity string) Signal, mono Mono, seed uint64) Talker // instead of make: it hangs on a serial line
}

// kinds lists the chips that sit at a place and measure it, by the agent's name of their driver.
func kinds(driver string) kind {
	const temperature, humidity, pressure, light = "air_temperature", "humidity", "pressure", "illuminance"
	type place = func(string) Signal
	moist := func(at place) Moist { return Moist{Temperature: at(temperature), Humidity: at(humidity)} }
	switch driver {
	case "bme280":
		return kind{quantities: []string{temperature, pressure, humidity}, make: func(at place, mono Mono, seed uint64) Model {
			return NewBME280(Climate{Temperature: at(temperature), Pressure: at(pressure), Humidity: at(humidity)}, mono, seed)
		}}
	case "bmp280":
		return kind{quantities: []string{temperature, pressure}, make: func(at place, mono Mono, seed uint64) Model {
			return NewBME280(Climate{Temperature: at(temperature), Pressure: at(pressure)}, mono, seed)
		}}
	case "scd4x":
		return kind{quantities: []string{"co2", temperature, humidity}, make: func(at place, mono Mono, seed uint64) Model {
			return NewSCD41(Air{CO2: at("co2"), Temperature: at(temperature), Humidity: at(humidity)}, mono, seed)
		}}
	case "bh1750":
		return kind{quantities: []string{light}, make: func(at place, mono Mono, _ uint64) Model { return NewBH1750(at(light), mono) }}
	case "sht3x":
		return kind{quantities: []string{temperature, humidity}, make: func(at place, mono Mono, seed uint64) Model { return NewSHT3x(moist(at), mono, seed) }}
	case "sht4x":
		return kind{quantities: []string{temperature, humidity}, make: func(at place, mono Mono, seed uint64) Model { return NewSHT4x(moist(at), mono, seed) }}
	case "aht20":
		return kind{quantities: []string{temperature, humidity}, make: func(at place, mono Mono, _ uint64) Model { return NewAHT20(moist(at), mono) }}
	case "mcp9808":
		return kind{quantities: []string{temperature}, make: func(at place, mono Mono, _ uint64) Model { return NewMCP9808(at(temperature), mono) }}
	case "tmp102":
		return kind{quantities: []string{temperature}, make: func(at place, mono Mono, _ uint64) Model { return NewTMP102(at(temperature), mono) }}
	case "ina219": // the place is a load on a supply of 12 V
		return kind{quantities: []string{"power"}, make: func(at place, mono Mono, _ uint64) Model {
			watts := at("power")
			return NewINA219(Supply{Voltage: func(time.Duration) float64 { return 12 }, Current: func(t time.Duration) float64 { return watts(t) / 12 }}, mono)
		}}
	case "bmp388":
		return kind{quantities: []string{temperature, pressure}, make: func(at place, mono Mono, seed uint64) Model {
			return NewBMP388(Climate{Temperature: at(temperature), Pressure: at(pressure)}, mono, seed)
		}}
	case "tsl2591":
		return kind{quantities: []string{light}, make: func(at place, mono Mono, _ uint64) Model { return NewTSL2591(at(light), mono) }}
	case "bme680": // bad air, of which CO2 tells here, lowers the resistance
		return kind{quantities: []string{temperature, pressure, humidity, "co2"}, make: func(at place, mono Mono, seed uint64) Model {
			co2 := at("co2")
			gas := func(t time.Duration) float64 { return 9e4 * 420 / max(co2(t), 100) }
			return NewBME680(Smelly{Climate{Temperature: at(temperature), Pressure: at(pressure), Humidity: at(humidity)}, gas}, mono, seed)
		}}
	}
	return serialKinds(driver)
}

// serialKinds lists those on serial lines.
func serialKinds(driver string) kind {
	type place = func(string) Signal
	switch driver {
	case "pms5003":
		return kind{quantities: []string{"pm25"}, talk: func(at place, mono Mono, _ uint64) Talker { return NewPMS5003(at("pm25"), mono) }}
	case "sds011":
		return kind{quantities: []string{"pm25"}, talk: func(at place, mono Mono, seed uint64) Talker { return NewSDS011(at("pm25"), mono, uint16(seed)) }}
	case "mhz19":
		return kind{quantities: []string{"co2"}, talk: func(at place, mono Mono, _ uint64) Talker { return NewMHZ19(at("co2"), mono) }}
	}
	return kind{}
}

// Quantities lists what the chip of a driver measures at its place, by the names that the world uses; nil for what is no such chip.
func Quantities(driver string) []string { return kinds(driver).quantities }

// OnSerial reports whether a driver's sensor hangs on a serial line: then NewTalker makes it, otherwise New.
func OnSerial(driver string) bool { return kinds(driver).talk != nil }

// NewTalker is New for what hangs on a serial line.
func NewTalker(driver string, at func(quantity string) Signal, mono Mono, seed uint64) Talker {
	return kinds(driver).talk(at, mono, seed)
}

// New makes the chip of a driver that Quantities knows. at gives what it measures; mono is the machine's time, seed what makes it one of its
// kind: its calibration, its number.
func New(driver string, at func(quantity string) Signal, mono Mono, seed uint64) Model {
	return kinds(driver).make(at, mono, seed)
}
