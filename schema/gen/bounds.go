package main

// bound is what a field's value must keep to beyond its type. Zero means no bound.
type bound struct {
	maxItems string // name of a constant of package schema
	maxText  string // name of a constant of package schema, in bytes (guards count UTF-16 units, which are never more)
	least    *int64 // smallest number
}

// closed are the word lists whose words a receiver must know: the Go side refuses any other word, so that one never arrives. All other
// lists may grow; a reader shows a word it does not know as it is.
func closed(typeName string) bool {
	switch typeName {
	case "EntityKind", "ValueType", "CommandState", "Op":
		return true
	}
	return false
}

// boundOf repeats, for other languages, the bounds that Validate methods check in Go. Frames that break one are among the bad golden frames.
func boundOf(typeName, field string) bound {
	zero, one := int64(0), int64(1)
	switch typeName + "." + field {
	case "Readings.series":
		return bound{maxItems: "MaxSeries"}
	case "Series.v", "Series.dt_ms", "Series.q", "LiveSeries.v", "LiveSeries.dt_ms", "LiveSeries.q":
		return bound{maxItems: "MaxSamples"}
	case "Descriptor.entities":
		return bound{maxItems: "MaxEntities"}
	case "Entity.channels":
		return bound{maxItems: "MaxChannels"}
	case "LiveHello.resume":
		return bound{maxItems: "MaxRooms"}
	case "Descriptor.name", "Descriptor.area", "Entity.name", "Entity.area", "Entity.device_class", "Device.name", "Device.area",
		"Pair.name", "Hello.agent", "LiveHello.client":
		return bound{maxText: "MaxName"}
	case "Readings.seq", "Event.seq", "Gap.first", "Welcome.window", "LiveWelcome.ping_ms", "LiveWelcome.credit":
		return bound{least: &one}
	case "Readings.mono_ms", "Event.mono_ms", "Hello.mono_ms", "Channel.interval_ms", "Pace.batch_ms", "Welcome.batch_ms",
		"Bye.in_ms", "Bye.spread_ms", "Ask.ttl_ms", "History.bucket_ms", "Series.step_us", "LiveSeries.step_us":
		return bound{least: &zero}
	}
	return bound{}
}

// together are the checks of a struct that concern several fields, as TypeScript statements over v that return what is wrong.
func together(typeName string) string {
	switch typeName {
	case "Series", "LiveSeries":
		return `  const n = v.v.length;
  if (n === 0) return '.v is empty';
  const times = v.dt_ms === undefined ? 0 : v.dt_ms.length;
  if (v.step_us ? times > 1 : times !== n && !(times === 0 && n === 1)) return ` + "`.dt_ms has ${times} times for ${n} values`" + `;
  if (v.q !== undefined && v.q.length !== 0 && v.q.length !== n) return ` + "`.q has ${v.q.length} qualities for ${n} values`" + `;
`
	case "HistorySeries":
		return `  const n = v.t_ms.length;
  for (const column of ['mean', 'min', 'max', 'count', 'v']) {
    if (v[column] !== undefined && v[column].length !== n) return ` + "`.${column} has ${v[column].length} entries for ${n} times`" + `;
  }
`
	}
	return ""
}
