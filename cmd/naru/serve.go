package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"naru/internal/interpreter"
	"naru/internal/sdk"
	"naru/internal/server"
)

func serveCommand() *cobra.Command {
	var config server.Config
	var logLevel, logFormat, sdks string
	interpreters := map[interpreter.Language]*string{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run Naru until it is told to stop",
		Long:  "Run Naru until it is told to stop.\n\nEvery flag can also be set in the environment: --allow-reset as NARU_ALLOW_RESET.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := fromEnvironment(c.Flags()); err != nil {
				return err
			}
			if config.Log, err = newLog(os.Stderr, logLevel, logFormat); err != nil {
				return err
			}
			config.Version, config.SDKDir, config.Helper = version, sdks, helper()
			config.Interpreters = given(interpreters)
			openUmask()
			config.Ready = func(a server.Addresses) { banner(c.OutOrStdout(), config, sdks, a) }
			return server.Run(c.Context(), config)
		},
	}
	f := c.Flags()
	f.StringVar(&config.Listen, "listen", "127.0.0.1:4566", "address of the endpoint")
	f.StringVar(&config.Admin, "admin", "127.0.0.1:4567", "address of the operators' listener: /metrics, /healthz, /readyz")
	f.StringVar(&config.Data, "data", server.DefaultData(), `data directory; "mem:" keeps everything in memory only`)
	f.StringVar(&config.MasterKey, "master-key", "", "file of the master key, if it is not to lie in the data directory")
	f.Var(size{func(n uint64) { config.MemTable = n }}, "memtable", "what is written to memory before it goes to a table (default 32MiB)")
	f.Var(size{func(n uint64) { config.Cache = int64(n) }}, "cache", "what is kept in memory of tables (default 32MiB)")
	f.Var(size{func(n uint64) { config.Reserve = n }}, "reserve", "room on the disk below which calls that need more are refused (default 512MiB, but no more than a quarter of the disk)")
	f.Var(size{func(n uint64) { config.LastReserve = n }}, "last-reserve", "room on the disk below which everything that writes is refused (default a quarter of --reserve)")
	f.StringVar(&config.Region, "region", "us-east-1", "region of requests that name none")
	f.StringVar(&config.Account, "account", "000000000000", "account of requests that name none")
	f.StringVar(&config.PublicURL, "public-url", "", "URL by which clients reach Naru, if not by the address they use themselves")
	f.StringVar(&config.Auth, "auth", "open", "open: unsigned requests and foreign keys act as root; enforce: every request is authenticated and authorised")
	f.StringArrayVar(&config.Issuers, "oidc-issuer", nil, "OpenID Connect provider whose tokens AssumeRoleWithWebIdentity takes: its URL and a file with its public keys (JWKS), as https://issuer.example=keys.json; may be given more than once")
	f.StringSliceVar(&config.Audiences, "oidc-audience", []string{"sts.amazonaws.com"}, "audiences that tokens of --oidc-issuer may be meant for")
	f.BoolVar(&config.OpenNetwork, "open-network", false, "allow --auth open on addresses that can be reached from outside")
	f.StringSliceVar(&config.AllowHosts, "allow-host", nil, "host names by which Naru may be addressed, besides IP addresses, localhost and *.amazonaws.com")
	f.BoolVar(&config.AllowReset, "allow-reset", false, "for test suites: POST /_naru/reset wipes everything, POST /_naru/clock moves time forward")
	f.BoolVar(&config.NoCooldown, "no-cooldown", false, "for test suites: lift the rules that SQS queues can be purged, or made again after they were deleted, once in 60 seconds")
	f.BoolVar(&config.Pprof, "pprof", false, "serve /debug/pprof/ to operators")
	f.StringVar(&sdks, "sdk-dir", sdk.DefaultDir(), "folder of the SDKs that functions find; naru runtime install fills it")
	f.StringVar(&config.HotReload, "hot-reload", "", "folder below which functions may have their code in place, reloaded when it changes: S3Bucket \"hot-reload\", S3Key a path")
	for flag, l := range interpreterFlags {
		interpreters[l] = f.String(flag, "", l.String()+" for functions (default: the best on the path or of a version manager)")
	}
	f.BoolVar(&config.StrictRuntimes, "strict-runtimes", false, "refuse runtimes that AWS does not take any more, such as nodejs12.x, or whose very version is not on this machine")
	f.StringSliceVar(&config.Passthrough, "passthrough", nil, "AWS services, such as s3,dynamodb, that functions may have of AWS itself")
	f.StringVar(&config.Sandbox, "sandbox", "auto", "auto: confine functions as far as this machine allows; strict: entirely, without network, or do not start; none: not at all (see naru doctor)")
	f.StringVar(&config.TriggerRamp, "trigger-ramp", "burst", "how fast queues that trigger functions have more of them run: burst, at once, or aws, 5 at first and 300 more each minute")
	f.StringVar(&logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&logFormat, "log-format", "text", "text or json")
	return c
}

// fromEnvironment sets the flags that were not given from their variables.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := "NARU_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if f.Changed || !ok || err != nil || f.Name == "help" {
			return
		}
		if e := f.Value.Set(value); e != nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
	})
	return err
}

func newLog(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level is %q, which is none of debug, info, warn and error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format is %q, which is neither text nor json", format)
}

// banner says how the running Naru is reached.
func banner(w io.Writer, c server.Config, sdks string, a server.Addresses) {
	fmt.Fprintf(w, "Naru %s is ready.\n", version)
	fmt.Fprintf(w, "  endpoint  %s  (export AWS_ENDPOINT_URL=%s)\n", a.Endpoint, a.Endpoint)
	fmt.Fprintf(w, "  console   %s/_naru/console/\n", a.Endpoint)
	fmt.Fprintf(w, "  operators %s/metrics\n", a.Admin)
	fmt.Fprintf(w, "  data      %s\n", a.Data)
	fmt.Fprintf(w, "  account   %s in %s, auth %s\n", c.Account, c.Region, c.Auth)
	fmt.Fprintf(w, "  sandbox   %s\n", a.Sandbox)
	for _, warning := range a.Warnings {
		fmt.Fprintf(w, "  WARNING   %s\n", strings.ReplaceAll(warning, "\n", "\n            "))
	}
	if !sdk.Kits[0].Installed(sdks) {
		fmt.Fprintln(w, "  NOTE      functions do not find the AWS SDKs yet: run naru runtime install nodejs")
	}
	if a.RootKey != "" {
		fmt.Fprintf(w, "  root key  %s  (export AWS_SHARED_CREDENTIALS_FILE=%s)\n", a.RootKey, a.RootKey)
	}
	if c.OpenNetwork && c.Auth == "open" {
		fmt.Fprintln(w, "  WARNING   whoever reaches these addresses is root: --open-network is set")
	}
}
