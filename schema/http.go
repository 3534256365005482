package schema

// Bodies of the HTTP API under /api/v1. Errors have a [Problem] as body.

// Info is GET /api/v1/info.
type Info struct {
	// HubID names the hub.
	HubID string `json:"hub_id"`
	// Version of the program.
	Version string `json:"version"`
	// StartedMS is when this process began, Unix ms.
	StartedMS int64 `json:"started_ms"`
	// NowMS is the hub's clock, Unix ms.
	NowMS int64 `json:"now_ms"`
	// Devices paired.
	Devices int `json:"devices"`
}

// DeviceList is GET /api/v1/devices.
type DeviceList struct {
	// NowMS is the hub's clock, Unix ms.
	NowMS int64 `json:"now_ms"`
	// Devices by id.
	Devices []Device `json:"devices"`
}

// DevicePatch is the body of PATCH /api/v1/devices/{id}; absent fields stay.
type DevicePatch struct {
	// Name for people; "" = back to the device's own.
	Name *string `json:"name,omitempty"`
	// Area to show it in; "" = back to the device's own.
	Area *string `json:"area,omitempty"`
}

// History is GET /api/v1/devices/{id}/history?channel=a&channel=b&from=&to=&points=.
type History struct {
	// FromMS is the first ms asked for.
	FromMS int64 `json:"from_ms"`
	// ToMS is the last ms asked for.
	ToMS int64 `json:"to_ms"`
	// BucketMS is the width of a bucket, in ms; 0 = every reading as it is.
	BucketMS int64 `json:"bucket_ms"`
	// Series, one per channel asked for, in that order.
	Series []HistorySeries `json:"series"`
	// Gaps known in the range.
	Gaps []GapRecord `json:"gaps"`
	// CompleteToMS as in [Presence].
	CompleteToMS int64 `json:"complete_to_ms,omitempty"`
}

// HistorySeries is one channel's history: numbers as buckets, states as changes. A bucket without readings is absent.
type HistorySeries struct {
	// Ch is the channel's wire id.
	Ch string `json:"ch"`
	// TMS is each bucket's start (or the reading's time), Unix ms, ascending.
	TMS []int64 `json:"t_ms"`
	// Mean per bucket, numbers only.
	Mean []float64 `json:"mean,omitempty"`
	// Min per bucket, numbers only.
	Min []float64 `json:"min,omitempty"`
	// Max per bucket, numbers only.
	Max []float64 `json:"max,omitempty"`
	// Count of readings per bucket, numbers only.
	Count []int64 `json:"count,omitempty"`
	// V: for bools and strings the value from TMS on; the first entry is the state at FromMS if one was known.
	V Values `json:"v,omitempty"`
}

// CommandList is GET /api/v1/devices/{id}/commands?limit=&before=.
type CommandList struct {
	// Commands, newest first.
	Commands []Command `json:"commands"`
}

// PairingRequest is the body of POST /api/v1/pairing-codes.
type PairingRequest struct {
	// Uses is how many devices may pair with the code; 0 = 1.
	Uses int `json:"uses,omitempty"`
	// Minutes the code is good for; 0 = 10.
	Minutes int `json:"minutes,omitempty"`
}

// PairingCode answers it.
type PairingCode struct {
	// Code to give to the device, "ABCD-EFGH".
	Code string `json:"code"`
	// ExpiresMS is when it stops working, Unix ms.
	ExpiresMS int64 `json:"expires_ms"`
	// Uses left.
	Uses int `json:"uses"`
}
