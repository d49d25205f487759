// Package server puts Naru together: it opens the store, builds the services,
// joins them with small funcs, and runs and stops everything.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"naru/internal/iam"
	"naru/internal/interpreter"
	"naru/internal/sandbox"
	"naru/internal/store"
	"naru/internal/trigger"
)

// Config is what an operator decides.
type Config struct {
	Listen      string // address of the endpoint: host:port
	Admin       string // address of the operators' listener
	Data        string // data directory; "mem:" for none
	MemTable    uint64 // bytes that are written to memory before they go to a table; 0 for the usual
	Cache       int64  // bytes of tables kept in memory; 0 for the usual
	Reserve     uint64 // bytes of the disk below which what grows is refused; 0 for the usual
	LastReserve uint64 // likewise everything that writes
	MasterKey   string // file of the master key; "" for master.key in Data
	Region      string // of requests that name none
	Account     string // likewise, 12 digits
	PublicURL   string // what queue URLs begin with, where clients reach Naru by another name
	Auth        string // "open" or "enforce"
	OpenNetwork bool   // allows "open" on addresses that others can reach
	AllowHosts  []string
	AllowReset  bool // serves /_naru/reset and /_naru/clock
	NoCooldown  bool // lifts SQS's 60 second rules
	// Issuers are OpenID Connect providers, each "<URL>=<file with its keys>",
	// whose tokens STS takes if they are meant for one of Audiences.
	Issuers   []string
	Audiences []string
	Pprof     bool   // serves /debug/pprof/ to operators
	HotReload string // folder below which functions may have their code in place
	// SDKDir holds what functions find without packing it. Interpreters are where
	// theirs are, by language; those that are not given are looked for.
	SDKDir         string
	Interpreters   map[interpreter.Language]string
	StrictRuntimes bool     // refuses runtimes that AWS does not take any more, or whose very version is not here
	Passthrough    []string // AWS services that functions may have of AWS itself
	Sandbox        string   // "auto", "strict" or "none"
	// TriggerRamp is how fast queues that trigger functions have more of them
	// run: "burst" or "aws".
	TriggerRamp string
	// Helper is a program that starts as the first process of each environment;
	// without one this program does.
	Helper  []byte
	Log     *slog.Logger
	Version string
	// Ready is told the addresses once requests are served.
	Ready func(Addresses)
}

// Addresses say where a running Naru is reached.
type Addresses struct {
	Endpoint string // URL
	Admin    string // URL
	Data     string
	RootKey  string   // file with the root's access key, in enforce mode
	Sandbox  string   // how functions are confined
	Warnings []string // what the operator should know of that
}

// store returns the options of the store in dir.
func (c Config) store(dir string) store.Options {
	return store.Options{
		Dir: dir, MasterKeyFile: c.MasterKey, MemTable: c.MemTable, Cache: c.Cache, Logger: c.Log,
		Space: store.Space{Reserve: c.Reserve, LastReserve: c.LastReserve},
	}
}

// InMemory is the Data of a Naru that keeps nothing.
const InMemory = "mem:"

// DefaultData returns the data directory below the user's state directory.
func DefaultData() string {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return filepath.Join(os.TempDir(), "naru")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "naru")
}

var accountForm = regexp.MustCompile(`^\d{12}$`)

// check refuses a configuration that makes no sense or is not safe.
func (c *Config) check() error {
	if !accountForm.MatchString(c.Account) {
		return fmt.Errorf("the account %q is not of 12 digits", c.Account)
	}
	if c.Region == "" {
		return errors.New("the region is empty")
	}
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("the public URL %q is not of the form http://host or https://host", c.PublicURL)
		}
	}
	switch sandbox.Mode(c.Sandbox) {
	case "", sandbox.Auto, sandbox.Strict, sandbox.None:
	default:
		return fmt.Errorf("--sandbox is %q, which is none of auto, strict and none", c.Sandbox)
	}
	if r := trigger.Ramp(c.TriggerRamp); r != trigger.Burst && r != trigger.Gradual && r != "" {
		return fmt.Errorf("--trigger-ramp is %q, which is neither %s nor %s", c.TriggerRamp, trigger.Burst, trigger.Gradual)
	}
	switch iam.Mode(c.Auth) {
	case iam.ModeEnforce:
		return nil
	case iam.ModeOpen:
	default:
		return fmt.Errorf("--auth is %q, which is neither open nor enforce", c.Auth)
	}
	for _, address := range []string{c.Listen, c.Admin} {
		if !c.OpenNetwork && !loopback(address) {
			return fmt.Errorf("%s can be reached from outside, where --auth open lets everybody in: use --auth enforce, or --open-network if that is meant", address)
		}
	}
	return nil
}

// absolute makes the paths good for processes that run in other folders.
func (c *Config) absolute() (err error) {
	if c.Data != InMemory {
		if c.Data, err = filepath.Abs(c.Data); err != nil {
			return err
		}
	}
	if c.HotReload != "" {
		if c.HotReload, err = filepath.Abs(c.HotReload); err != nil {
			return err
		}
	}
	if c.SDKDir != "" {
		c.SDKDir, err = filepath.Abs(c.SDKDir)
	}
	return err
}

// loopback reports whether only this machine reaches the address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// functionSession is how long the credentials of an environment last.
const functionSession = 12 * time.Hour

// drainTime is how long a stopping Naru waits for requests that are under way.
const drainTime = 10 * time.Second

// lastTime is how long it then waits for those that have nothing to wait for.
const lastTime = 2 * time.Second
