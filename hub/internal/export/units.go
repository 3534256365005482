package export

// unit is a unit as Home Assistant spells it and its name in SenML.
type unit struct {
	ours      string
	class     string // Home Assistant's device class that the line is for; "" = any
	senml     string
	secondary bool // RFC 8798, table 2: only in packs whose version says so (RFC 9100, section 4)
}

// unitTable lists the units that have a name in SenML's registries: RFC 8428, section 12.1, and RFC 8798. The first line that fits counts, in both
// directions. mbar is another word for hPa; µ and μ are two characters, both of which Home Assistant has used.
var unitTable = []unit{
	{"%", "humidity", "%RH", false},
	{"%", "moisture", "%RH", false},
	{"%", "battery", "%EL", false},
	{"%", "", "/100", true},
	{"°C", "", "Cel", false},
	{"K", "", "K", false},
	{"Pa", "", "Pa", false},
	{"hPa", "", "hPa", true},
	{"mbar", "", "hPa", true},
	{"lx", "", "lx", false},
	{"lm", "", "lm", false},
	{"cd", "", "cd", false},
	{"W", "", "W", false},
	{"kW", "", "kW", true},
	{"VA", "", "VA", false},
	{"kVA", "", "kVA", true},
	{"var", "", "var", false},
	{"kvar", "", "kvar", true},
	{"Wh", "", "Wh", true},
	{"kWh", "", "kWh", true},
	{"varh", "", "varh", true},
	{"kvarh", "", "kvarh", true},
	{"J", "", "J", false},
	{"V", "", "V", false},
	{"mV", "", "mV", true},
	{"A", "", "A", false},
	{"mA", "", "mA", true},
	{"Ah", "", "Ah", true},
	{"C", "", "C", false},
	{"F", "", "F", false},
	{"Ω", "", "Ohm", false},
	{"S", "", "S", false},
	{"S/m", "", "S/m", false},
	{"Hz", "", "Hz", false},
	{"MHz", "", "MHz", true},
	{"rpm", "", "1/min", false},
	{"bpm", "", "beat/min", false},
	{"m", "", "m", false},
	{"mm", "", "mm", true},
	{"cm", "", "cm", true},
	{"km", "", "km", true},
	{"m²", "", "m2", false},
	{"m³", "", "m3", false},
	{"L", "", "l", false},
	{"m³/s", "", "m3/s", false},
	{"L/s", "", "l/s", false},
	{"m/s", "", "m/s", false},
	{"km/h", "", "km/h", true},
	{"mm/h", "", "mm/h", true},
	{"m/s²", "", "m/s2", false},
	{"kg", "", "kg", false},
	{"g", "", "g", false},
	{"kg/m³", "", "kg/m3", false},
	{"µg/m³", "", "ug/m3", true},
	{"μg/m³", "", "ug/m3", true},
	{"s", "", "s", false},
	{"ms", "", "ms", true},
	{"min", "", "min", true},
	{"h", "", "h", true},
	{"N", "", "N", false},
	{"rad", "", "rad", false},
	{"°", "latitude", "lat", false},
	{"°", "longitude", "lon", false},
	{"°", "", "deg", false},
	{"W/m²", "", "W/m2", false},
	{"cd/m²", "", "cd/m2", false},
	{"T", "", "T", false},
	{"Bq", "", "Bq", false},
	{"Gy", "", "Gy", false},
	{"Sv", "", "Sv", false},
	{"mol", "", "mol", false},
	{"pH", "", "pH", false},
	{"ppm", "", "ppm", true},
	{"dB", "", "dB", false},
	{"dBm", "", "dBm", true},
	{"bit", "", "bit", false},
	{"bit/s", "", "bit/s", false},
	{"Mbit/s", "", "Mbit/s", true},
	{"B", "", "B", false},
	{"KiB", "", "KiB", true},
	{"GB", "", "GB", true},
	{"B/s", "", "B/s", true},
	{"MB/s", "", "MB/s", true},
}

// SenMLUnit names a unit of a device class in SenML, and says whether it is one of the secondary names; "" when the registries have no such
// unit (°F, for one).
func SenMLUnit(name, class string) (senml string, secondary bool) {
	for _, u := range unitTable {
		if u.ours == name && (u.class == "" || u.class == class) {
			return u.senml, u.secondary
		}
	}
	return "", false
}

// UnitOfSenML is the way back; a name that the table does not have stays as it is. class is what the unit tells of the device class.
func UnitOfSenML(name string) (unit, class string) {
	for _, u := range unitTable {
		if u.senml == name {
			return u.ours, u.class
		}
	}
	return name, ""
}
