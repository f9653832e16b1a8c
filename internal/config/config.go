// Package config is every setting of Lethe in one documented struct.
//
// A setting has one name: --data on the command line, LETHE_DATA in the
// environment, `data` in the YAML file. The first that gives it wins: command
// line, environment, file, default. docs/configuration.md is generated from
// this struct.
//
// No secret is a setting: tokens and keys are named by the file that holds
// them, since command lines and configuration files are read by others. The
// one exception, LETHE_TOKEN, is read where it is used.
package config

import (
	"time"
)

// Config is all settings. Commands embed the parts that they need.
type Config struct {
	File    File    `embed:""`
	Storage Storage `embed:"" group:"Storage"`
	Seal    Seal    `embed:"" group:"Seal"`
	Erasure Erasure `embed:"" group:"Erasure"`
	Backup  Backup  `embed:"" group:"Backup"`
	HTTP    HTTP    `embed:"" group:"HTTP"`
	Limits  Limits  `embed:"" group:"Limits"`
	Client  Client  `embed:"" group:"Client"`
	Log     Log     `embed:"" group:"Log"`
}

// File names the configuration file.
type File struct {
	Config string `name:"config" env:"LETHE_CONFIG" placeholder:"FILE" help:"YAML file with settings by the names of this page; it cannot name another file."`
}

// Storage says where things are kept. The directories are apart because they
// follow different rules: ledger and keys are backed up, each on its own;
// epoch keys and lookup are in no backup at all.
type Storage struct {
	Data           string        `name:"data" env:"LETHE_DATA" default:"lethe-data" placeholder:"DIR" help:"Data directory: the ledger and its views."`
	Keys           string        `name:"keys" env:"LETHE_KEYS" placeholder:"DIR" help:"Wrapped keys and fences; keys under the data directory when empty. Never in one backup with the ledger."`
	Epochs         string        `name:"epochs" env:"LETHE_EPOCHS" placeholder:"DIR" help:"Epoch keys; epochs under the data directory when empty. In no backup."`
	EpochReplicas  []string      `name:"epoch-replica" env:"LETHE_EPOCH_REPLICA" placeholder:"DIR" help:"Another place of the epoch keys, on another disk, so that losing one loses nothing; may be repeated, or has commas. In no backup."`
	Lookup         string        `name:"lookup" env:"LETHE_LOOKUP" placeholder:"DIR" help:"Blind index and claims; lookup under the data directory when empty. In no backup; rebuilt from sealed values."`
	Pins           string        `name:"pins" env:"LETHE_PINS" placeholder:"DIR" help:"Known checkpoints of the log; pins under the data directory when empty. In no backup of the ledger: they tell a restored copy from the log itself."`
	Journal        string        `name:"journal" env:"LETHE_JOURNAL" placeholder:"DIR" help:"Erasure journal: which keys were destroyed; journal under the data directory when empty. In no backup of ledger or keys, and best on another disk: it tells a restored copy what was erased since."`
	RootKey        string        `name:"root-key" env:"LETHE_ROOT_KEY" placeholder:"file:PATH" help:"Root key: file:PATH, or hashivault://KEY of Vault's transit engine (VAULT_ADDR, VAULT_TOKEN_FILE), or with the program lethe-kms awskms://, gcpkms:// or azurekeyvault://; root.key under the data directory when empty. A file is made at the first start; keep a copy elsewhere."`
	RootPassphrase string        `name:"root-passphrase-file" env:"LETHE_ROOT_PASSPHRASE_FILE" placeholder:"FILE" help:"File with the passphrase of a root key file that has one, for its owner's eyes only. At the first start the root key is made with it."`
	SegmentBytes   Bytes         `name:"segment-bytes" env:"LETHE_SEGMENT_BYTES" default:"64MiB" placeholder:"SIZE" help:"Size of a log segment, 64KiB to 1GiB. Segments that exist keep theirs."`
	RotateEvery    time.Duration `name:"rotate-every" env:"LETHE_ROTATE_EVERY" default:"720h" help:"How often a running server rotates the epoch keys: from then on, copies of the keys that were made before cannot revive what was erased. 0 rotates only when asked to."`
	PurgeAfter     time.Duration `name:"purge-after" env:"LETHE_PURGE_AFTER" default:"0" help:"How long the disks below keys and epoch keys keep what was deleted, as in snapshots: certificates then say purge_scheduled. A negative time says that nobody knows, and so do they."`
	PhoneRegion    string        `name:"phone-region" env:"LETHE_PHONE_REGION" placeholder:"COUNTRY" help:"ISO 3166-1 country of phone numbers without a country code, such as DE; none when empty."`
}

// Seal is how history is made provable.
type Seal struct {
	Origin   string        `name:"log-origin" env:"LETHE_LOG_ORIGIN" placeholder:"NAME" help:"Name of the log in its checkpoints: the URL that it is served at, without scheme, such as ledger.example.com/log. Fixed at the first start; a name is drawn when empty."`
	Interval time.Duration `name:"seal-interval" env:"LETHE_SEAL_INTERVAL" default:"250ms" help:"Least time between two checkpoints."`
	Bound    time.Duration `name:"seal-bound" env:"LETHE_SEAL_BOUND" default:"1s" help:"Longest time that an event should wait for its checkpoint; what waits longer is told, and is the metric lethe_seal_waiting_seconds."`
	Policy   string        `name:"witness-policy" env:"LETHE_WITNESS_POLICY" placeholder:"FILE" help:"C2SP tlog-policy: witnesses with their addresses, and the quorum that makes a checkpoint count as published. The ledger remembers it; none forgets it. Without one a checkpoint is published when it is signed."`
}

// Erasure is how people are forgotten.
type Erasure struct {
	Grace     time.Duration `name:"erasure-grace" env:"LETHE_ERASURE_GRACE" default:"0s" placeholder:"TIME" help:"How long an erasure can be cancelled unless its order says otherwise, such as 168h; at most 30 days."`
	Evidence  string        `name:"evidence-retention" env:"LETHE_EVIDENCE_RETENTION" default:"P3Y" placeholder:"PERIOD" help:"How long what shows that consent was given outlives its last change, ISO 8601: the limitation of claims about it. none keeps nothing."`
	Contacts  bool          `name:"suppress-contacts" env:"LETHE_SUPPRESS_CONTACTS" help:"An erasure also leaves keyed marks of e-mail addresses and phone numbers, so that marketing to them stays off when they come back. Marks of a source's own keys are always left."`
	DropAfter time.Duration `name:"drop-after" env:"LETHE_DROP_AFTER" default:"0s" placeholder:"TIME" help:"Also take the ciphertext of erased values out of the log's files, this long after their keys were destroyed, such as 2160h; once a day, 24h at least. Each removal is recorded. 0s keeps it."`
}

// Backup is where backups go. They are two places, because what is in them
// follows different rules.
type Backup struct {
	LedgerTo string `name:"ledger-to" env:"LETHE_LEDGER_TO" placeholder:"DIR" help:"Place for backups of the ledger, on another disk. What is in it cannot be read without the keys; keep it for as long as history has to be kept."`
	KeysTo   string `name:"keys-to" env:"LETHE_KEYS_TO" placeholder:"DIR" help:"Place for backups of the keys, away from those of the ledger. Erased data can be revived from it until its epoch keys are gone: keep it for a short time."`
}

// HTTP is the server's listeners and patience.
type HTTP struct {
	Listen            string        `name:"listen" env:"LETHE_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of the API. It speaks plain HTTP: beyond this machine put a proxy with TLS in front."`
	MetricsListen     string        `name:"metrics-listen" env:"LETHE_METRICS_LISTEN" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of /metrics, which asks for no token; off turns it off."`
	ReadHeaderTimeout time.Duration `name:"read-header-timeout" env:"LETHE_READ_HEADER_TIMEOUT" default:"5s" help:"Longest time to receive a request's header."`
	ReadTimeout       time.Duration `name:"read-timeout" env:"LETHE_READ_TIMEOUT" default:"30s" help:"Longest time to receive a whole request."`
	WriteTimeout      time.Duration `name:"write-timeout" env:"LETHE_WRITE_TIMEOUT" default:"60s" help:"Longest time to answer; event feeds are exempt."`
	IdleTimeout       time.Duration `name:"idle-timeout" env:"LETHE_IDLE_TIMEOUT" default:"2m" help:"How long an unused connection is kept."`
	ShutdownTimeout   time.Duration `name:"shutdown-timeout" env:"LETHE_SHUTDOWN_TIMEOUT" default:"20s" help:"How long requests under way may take to end when stopping."`
}

// Limits bounds what a caller can ask of the server.
type Limits struct {
	MaxBody       Bytes   `name:"max-body" env:"LETHE_MAX_BODY" default:"1MiB" placeholder:"SIZE" help:"Largest request body."`
	MaxHeader     Bytes   `name:"max-header" env:"LETHE_MAX_HEADER" default:"64KiB" placeholder:"SIZE" help:"Largest request header."`
	Rate          float64 `name:"rate" env:"LETHE_RATE" default:"1000" placeholder:"N" help:"Requests a second that each token may make; 0 sets no limit."`
	Burst         int     `name:"burst" env:"LETHE_BURST" default:"2000" placeholder:"N" help:"Requests that each token may make at once."`
	AnonymousRate float64 `name:"anonymous-rate" env:"LETHE_ANONYMOUS_RATE" default:"10" placeholder:"N" help:"Requests a second from one address that carry no valid token; 0 sets no limit."`
	MaxFeeds      int     `name:"max-feeds" env:"LETHE_MAX_FEEDS" default:"64" placeholder:"N" help:"Event feeds open at the same time."`
}

// Client is how commands reach a running server instead of opening the data
// directory themselves.
type Client struct {
	Server    string `name:"server" env:"LETHE_SERVER" placeholder:"URL" help:"Go through the running server at this address; the data directory is opened when empty."`
	TokenFile string `name:"token-file" env:"LETHE_TOKEN_FILE" placeholder:"FILE" help:"File with the access token for --server. Without it the environment variable LETHE_TOKEN is read; a token is never an argument."`
}

// Log is what is written to standard error.
type Log struct {
	LogLevel  string `name:"log-level" env:"LETHE_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least severe level that is logged: ${enum}."`
	LogFormat string `name:"log-format" env:"LETHE_LOG_FORMAT" default:"text" enum:"text,json" help:"Form of log lines: ${enum}."`
}
