package config

import "github.com/telltale-iot/telltale/schema"

// Entity describes an actuator with these channels, and its safety as configured.
func (a *Actuator) Entity(channels ...schema.Channel) schema.Entity {
	return schema.Entity{ID: a.ID, Kind: a.Kind, Name: a.Title(), DeviceClass: a.DeviceClass, Area: a.Area, Channels: channels,
		Safety: &schema.Safety{
			SafeState:  map[string]schema.Value{channels[0].Name: a.safeValue()},
			OnBoot:     a.OnBoot,
			LeaseMS:    a.Lease.Milliseconds(),
			MaxOnMS:    a.MaxOn.Milliseconds(),
			MinCycleMS: a.MinCycle.Milliseconds(),
		}}
}

func (a *Actuator) safeValue() schema.Value {
	if a.Driver == "button" {
		return schema.Value{}
	}
	return schema.Bool(a.SafeState == "on")
}
