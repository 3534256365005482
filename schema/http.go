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
	// BucketMS is the width of a bucket, in ms; 0 = every reading as it is. Buckets begin at its multiples since 1970 and count only what lies
	// between FromMS and ToMS.
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
	// TMS is each bucket's start (or the reading's time), Unix ms, ascending; the first bucket may start before FromMS.
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

// ReadingPage is GET /api/v1/devices/{id}/readings?channel=&from=&to=&limit=&after=: readings one by one, oldest first.
type ReadingPage struct {
	// Ch is the channel's wire id.
	Ch string `json:"ch"`
	// TMS is each reading's time, Unix ms.
	TMS []int64 `json:"t_ms"`
	// V are the values, in the channel's unit.
	V Values `json:"v"`
	// Q is each reading's quality; absent = all ok.
	Q []Quality `json:"q,omitempty"`
	// Time is how each reading's time was found; absent = all synced.
	Time []TimeQuality `json:"time,omitempty"`
	// Next is what to pass as after for the next page; absent = this is the last one.
	Next string `json:"next,omitempty"`
}

// Storage is GET /api/v1/storage: what the store holds, what it costs and how much room is left.
type Storage struct {
	// State is ok, tight (nearly full: the oldest readings make room for new ones), or full (nothing is acked until there is room).
	State string `json:"state"`
	// Message says in words what a person should know or do beside that; absent = nothing.
	Message string `json:"message,omitempty"`
	// FileBytes is the size of the store's files on the disk.
	FileBytes int64 `json:"file_bytes"`
	// FreeBytes on that disk.
	FreeBytes int64 `json:"free_bytes"`
	// DiskBytes is the size of that disk.
	DiskBytes int64 `json:"disk_bytes"`
	// BudgetBytes is how large the store's files may grow; 0 = as the disk allows.
	BudgetBytes int64 `json:"budget_bytes,omitempty"`
	// Readings stored one by one.
	Readings int64 `json:"readings"`
	// ReadingBytes is what they take, packed.
	ReadingBytes int64 `json:"reading_bytes"`
	// OldestMS is the oldest reading kept one by one, Unix ms; absent = none.
	OldestMS int64 `json:"oldest_ms,omitempty"`
	// GrowthPerDay is by how much the readings grow at the pace of the last day, in bytes.
	GrowthPerDay int64 `json:"growth_per_day"`
	// Wear is what is written to the disk.
	Wear Wear `json:"wear"`
	// Retention lists the rules.
	Retention []RetentionRule `json:"retention"`
	// Backup is the newest backup made or being made; absent = none since the start.
	Backup *Backup `json:"backup,omitempty"`
}

// Wear is what the hub writes to its disk and how long a card lasts at that pace.
type Wear struct {
	// WrittenBytes since the hub started, as the kernel counted them for this process.
	WrittenBytes int64 `json:"written_bytes"`
	// SinceMS is since when, Unix ms.
	SinceMS int64 `json:"since_ms"`
	// PerDayBytes is the pace of the last hour (of the time since the start when that is shorter), per day.
	PerDayBytes int64 `json:"per_day_bytes"`
	// EnduranceBytes is how much the card is good for: set, or guessed from its size.
	EnduranceBytes int64 `json:"endurance_bytes"`
	// LastsDays is how long such a card lasts at this pace; 0 = not known yet.
	LastsDays int64 `json:"lasts_days"`
	// BytesPerReading written, over the last hour; 0 = no readings.
	BytesPerReading float64 `json:"bytes_per_reading"`
}

// RetentionRule says how long readings are kept one by one. The most exact rule wins: device and channel, device, every device.
type RetentionRule struct {
	// Device it is for; absent = every device.
	Device string `json:"device,omitempty"`
	// Ch is the channel's wire id; absent = every channel.
	Ch string `json:"ch,omitempty"`
	// Days to keep; 0 = for ever. The hourly least, greatest and mean are kept for ever.
	Days int64 `json:"days"`
}

// RetentionPreview answers POST /api/v1/storage/retention/preview: what a set of rules would delete now.
type RetentionPreview struct {
	// Readings that would go.
	Readings int64 `json:"readings"`
	// Bytes that would be free.
	Bytes int64 `json:"bytes"`
	// Series that lose something.
	Series []RetentionLoss `json:"series"`
}

// RetentionLoss is what one series would lose.
type RetentionLoss struct {
	// Device id.
	Device string `json:"device"`
	// Ch is the channel's wire id.
	Ch string `json:"ch"`
	// Readings that would go.
	Readings int64 `json:"readings"`
	// Bytes that would be free.
	Bytes int64 `json:"bytes"`
	// BeforeMS: readings before this time go, Unix ms.
	BeforeMS int64 `json:"before_ms"`
}

// RetentionRules is the body of PUT /api/v1/storage/retention and of its preview: all rules, in place of those before.
type RetentionRules struct {
	// Rules to keep to.
	Rules []RetentionRule `json:"rules"`
}

// Backup is one backup: POST /api/v1/storage/backups starts one, GET lists them, GET /api/v1/storage/backups/{name} downloads one.
type Backup struct {
	// Name of the file.
	Name string `json:"name"`
	// State is running, verifying, done or failed.
	State string `json:"state"`
	// Progress from 0 to 1.
	Progress float64 `json:"progress"`
	// StartedMS is when it began, Unix ms.
	StartedMS int64 `json:"started_ms"`
	// EndedMS is when it was done or failed, Unix ms.
	EndedMS int64 `json:"ended_ms,omitempty"`
	// Bytes of the file.
	Bytes int64 `json:"bytes,omitempty"`
	// Readings that the restored copy was found to hold.
	Readings int64 `json:"readings,omitempty"`
	// Message says why it failed.
	Message string `json:"message,omitempty"`
}

// BackupList is GET /api/v1/storage/backups.
type BackupList struct {
	// Backups, newest first.
	Backups []Backup `json:"backups"`
}

// FileFormat names a format that readings have in a file.
type FileFormat string

// The formats of files. All can be exported; CSV and SenML can be imported.
const (
	FormatCSV     FileFormat = "csv"     // RFC 4180, a reading per line
	FormatNDJSON  FileFormat = "ndjson"  // a JSON object per line
	FormatSenML   FileFormat = "senml"   // RFC 8428, one pack in JSON
	FormatParquet FileFormat = "parquet" // Apache Parquet
)

// FileReport answers POST /api/v1/devices/{id}/import?format=&check=&name=&channel=&zone=: what is in a file, and what was stored of it.
type FileReport struct {
	// Device the readings are for.
	Device string `json:"device"`
	// Format the file was read as.
	Format FileFormat `json:"format"`
	// State is reading, storing, checked (only looked at), refused (lines are wrong, nothing was stored) or done.
	State string `json:"state"`
	// Lines of the file (records, in SenML).
	Lines int64 `json:"lines"`
	// Readings in the file that can be stored.
	Readings int64 `json:"readings"`
	// Stored now.
	Stored int64 `json:"stored"`
	// Known readings: the device has them already, from this file or another way.
	Known int64 `json:"known"`
	// Empty cells: there is nothing to store for them.
	Empty int64 `json:"empty"`
	// Wrong lines.
	Wrong int64 `json:"wrong"`
	// Problems say what is wrong with the first of them.
	Problems []FileProblem `json:"problems"`
	// Channels in the file, by id.
	Channels []FileChannel `json:"channels"`
}

// FileChannel is one channel of a file.
type FileChannel struct {
	// Ch is the wire id that the readings get.
	Ch string `json:"ch"`
	// Name in the file.
	Name string `json:"name"`
	// Type of its values.
	Type ValueType `json:"type,omitempty"`
	// Unit of its values; absent = the file names none.
	Unit string `json:"unit,omitempty"`
	// Readings of it.
	Readings int64 `json:"readings"`
	// FromMS is its first reading, Unix ms.
	FromMS int64 `json:"from_ms"`
	// ToMS is its last reading, Unix ms.
	ToMS int64 `json:"to_ms"`
	// New is true when the device has no such channel yet.
	New bool `json:"new,omitempty"`
}

// FileProblem says what is wrong with one line.
type FileProblem struct {
	// Line counts from 1 (in SenML records do); 0 = the whole file.
	Line int64 `json:"line"`
	// Message for people.
	Message string `json:"message"`
}
