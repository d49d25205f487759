package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"time"

	"github.com/google/uuid"

	"naru/internal/queue"
	"naru/internal/store"
)

// Function is a function as the catalog keeps it, under account, region and
// name. A record is never changed, only replaced.
type Function struct {
	Version            // the one that can be changed: $LATEST
	Content     uint64 // of its asynchronous events
	LastVersion int64  // the number that was given to a version last; 0 for none
	Tags        map[string]string
	Reserved    *int32 // of the account's concurrency; nil for nothing
	AllowLoops  bool   // recursive loops are not stopped
	CodeSigning string // ARN of its code signing configuration; "" for none
}

// Version is one version of a function: what runs, and how. A published one is
// kept under account, region, name and number, and never changes but for its
// Revision.
type Version struct {
	Account  string
	Region   string
	Name     string
	Number   int64 // 0 for $LATEST
	Modified time.Time
	Revision string // another after each change, also of its policy
	Build    string // another after each change of what runs

	Config
	Code      store.Sum // of the zip file
	Folder    string    `json:",omitempty"` // where the code lies, if it is used there: see hot.go
	CodeSize  int64     // bytes of the zip file
	Unzipped  int64     // bytes of what is in it
	Variables []byte    `json:"Environment"` // JSON, sealed
}

// Config is the part of a version's configuration that is kept as it was
// given.
type Config struct {
	Runtime       string
	Handler       string
	Role          string
	Description   string
	Timeout       int32 // seconds
	MemorySize    int32 // MiB
	Storage       int32 // MiB of /tmp
	Architecture  string
	TracingMode   string
	Layers        []UsedLayer
	DeadLetter    string // ARN of where failed events go; "" for nowhere
	KMSKeyArn     *string
	LoggingConfig *LoggingConfig
	VpcConfig     *VpcConfig
}

const latest = "$LATEST"

// name names the function, whatever the version.
func (v *Version) name() name { return name{v.Account, v.Region, v.Name, ""} }

// qualified names the version.
func (v *Version) qualified() name { return name{v.Account, v.Region, v.Name, v.number()} }

// number is the version's number as AWS writes it.
func (v *Version) number() string {
	if v.Number == 0 {
		return latest
	}
	return strconv.FormatInt(v.Number, 10)
}

// key is that of the version's row, and of its pool.
func (v *Version) key() string { return versionKey(v.name(), v.Number) }

// versionKey has the versions of a function in the order of their numbers.
func versionKey(n name, number int64) string {
	digits := strconv.FormatInt(number, 10)
	return n.key() + "/" + "0000000000"[min(len(digits), 10):] + digits
}

func (v *Version) caller() Caller { return Caller{v.Account, v.Region, v.Name, v.Role} }

// touch makes v a new revision.
func (v *Version) touch() { v.Revision = uuid.NewString() }

// rebuild makes v one that runs something else than before.
func (v *Version) rebuild(now time.Time) {
	v.Modified, v.Build = now, uuid.NewString()
	v.touch()
}

// logGroup returns the group that the version logs to.
func (v *Version) logGroup() string {
	if v.LoggingConfig != nil && v.LoggingConfig.LogGroup != nil {
		return *v.LoggingConfig.LogGroup
	}
	return "/aws/lambda/" + v.Name
}

func (f *Function) ref() queue.Ref {
	return queue.Ref{Shard: queue.ShardOf(f.name().address()), Content: f.Content}
}

// environmentPlace names the sealed variables of a function.
func environmentPlace(n name) string { return "lambda-functions/" + n.key() + "/environment" }

func (s *Service) sealVariables(n name, variables map[string]string) ([]byte, error) {
	if variables == nil {
		return nil, nil
	}
	text, err := json.Marshal(variables)
	if err != nil {
		return nil, err
	}
	return s.store.Seal(text, environmentPlace(n)), nil
}

// variables returns a version's environment variables, nil if it was given
// none.
func (s *Service) variables(v *Version) (map[string]string, error) {
	if v.Variables == nil {
		return nil, nil
	}
	text, err := s.store.Unseal(v.Variables, environmentPlace(v.name()))
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", v.name().arn(), err)
	}
	var variables map[string]string
	return variables, json.Unmarshal(text, &variables)
}

// same reports whether two versions run the same code with the same
// configuration, whatever their descriptions.
func (s *Service) same(a, b *Version) (bool, error) {
	x, err := s.variables(a)
	y, err2 := s.variables(b)
	if err := errors.Join(err, err2); err != nil {
		return false, err
	}
	one, other := a.Config, b.Config
	one.Description, other.Description = "", ""
	return a.Code == b.Code && maps.Equal(x, y) && reflect.DeepEqual(one, other), nil
}

// function returns the function that is named, whatever the qualifier.
func (s *Service) function(n name) (*Function, error) {
	f, ok := s.functions.Get(n.key())
	if !ok {
		return nil, notFound(n)
	}
	return f, nil
}

// change replaces a function by what change makes of a copy. change may write
// to other tables, too.
func (s *Service) change(n name, change func(*store.Tx, *Function) error) (*Function, error) {
	var f Function
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.function(n)
		if err != nil {
			return err
		}
		f = *old
		if err := change(tx, &f); err != nil {
			return err
		}
		return s.functions.Put(tx, n.key(), &f)
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}
