package lambda

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Layer is a layer: files that functions find under /opt. Its versions are kept
// apart, and their numbers are never given again.
type Layer struct {
	LastVersion int64
	Tags        map[string]string
}

// LayerVersion is a version of a layer, under account, region, name and number.
type LayerVersion struct {
	Account, Region, Name string
	Number                int64
	Created               time.Time
	Description           string
	License               string
	Runtimes              []string
	Architectures         []string
	Code                  store.Sum
	CodeSize              int64 // bytes of the zip file
	Unzipped              int64 // bytes of what is in it
}

// A layerName names a layer.
type layerName struct{ account, region, layer string }

func (l layerName) key() string { return l.account + "/" + l.region + "/" + l.layer }

func (l layerName) versionKey(number int64) string { return fmt.Sprintf("%s/%010d", l.key(), number) }

func (l layerName) arn() string {
	return "arn:aws:lambda:" + l.region + ":" + l.account + ":layer:" + l.layer
}

func (l layerName) versionARN(number int64) string {
	return l.arn() + ":" + strconv.FormatInt(number, 10)
}

func (v *LayerVersion) layer() layerName { return layerName{v.Account, v.Region, v.Name} }

func (v *LayerVersion) arn() string { return v.layer().versionARN(v.Number) }

const (
	layerVersionPattern = `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)`
	layerNamePattern    = `(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+`
)

var (
	layerVersionForm = regexp.MustCompile("^(" + layerVersionPattern + ")$")
	layerNameForm    = regexp.MustCompile("^(" + layerNamePattern + ")$")
)

// layerOf returns the layer that a name or ARN means.
func layerOf(ctx context.Context, reference string) (layerName, error) {
	if !layerNameForm.MatchString(reference) || len(reference) > maxReference {
		return layerName{}, violation(reference, "layerName", "Member must satisfy regular expression pattern: "+layerNamePattern)
	}
	if parts := strings.Split(reference, ":"); len(parts) > 6 {
		return layerName{parts[4], parts[3], parts[6]}, nil
	}
	c := wire.CallOf(ctx)
	return layerName{c.Account(), c.Region, reference}, nil
}

// parseLayerVersion takes the ARN of a version of a layer apart.
func parseLayerVersion(arn string) (l layerName, number int64, ok bool) {
	parts := strings.Split(arn, ":")
	if !layerVersionForm.MatchString(arn) || len(parts) != 8 {
		return l, 0, false
	}
	number, err := strconv.ParseInt(parts[7], 10, 64)
	return layerName{parts[4], parts[3], parts[6]}, number, err == nil
}

// LayerVersionContentInput is where a layer's content is.
type LayerVersionContentInput struct {
	S3Bucket            *string
	S3Key               *string
	S3ObjectStorageMode *string
	S3ObjectVersion     *string
	ZipFile             []byte
}

// LayerVersionContentOutput says where a layer's content can be had.
type LayerVersionContentOutput struct {
	CodeSha256 string
	CodeSize   int64
	Location   string
}

// LayerVersionDescription is a version of a layer in replies.
type LayerVersionDescription struct {
	CompatibleArchitectures []string
	CompatibleRuntimes      []string
	Content                 *LayerVersionContentOutput
	CreatedDate             string
	Description             string
	LayerArn                string
	LayerVersionArn         string
	LicenseInfo             *string
	Version                 int64
}

// LayerVersionsListItem is a version of a layer in lists.
type LayerVersionsListItem struct {
	CompatibleArchitectures []string
	CompatibleRuntimes      []string
	CreatedDate             string
	Description             string
	LayerVersionArn         string
	LicenseInfo             *string
	Version                 int64
}

func (v *LayerVersion) listed() LayerVersionsListItem {
	item := LayerVersionsListItem{
		CompatibleArchitectures: v.Architectures, CompatibleRuntimes: v.Runtimes, CreatedDate: v.Created.Format(timeForm),
		Description: v.Description, LayerVersionArn: v.arn(), Version: v.Number,
	}
	if v.License != "" {
		item.LicenseInfo = &v.License
	}
	return item
}

func (s *Service) describeLayer(ctx context.Context, v *LayerVersion) (*LayerVersionDescription, error) {
	sum, err := hex.DecodeString(string(v.Code))
	if err != nil {
		return nil, fmt.Errorf("content of %s: %w", v.arn(), err)
	}
	l := v.listed()
	return &LayerVersionDescription{
		CompatibleArchitectures: l.CompatibleArchitectures, CompatibleRuntimes: l.CompatibleRuntimes,
		Content: &LayerVersionContentOutput{
			CodeSha256: base64.StdEncoding.EncodeToString(sum), CodeSize: v.CodeSize, Location: wire.CallOf(ctx).Endpoint + s.codePath(v.Code),
		},
		CreatedDate: l.CreatedDate, Description: l.Description, LayerArn: v.layer().arn(), LayerVersionArn: l.LayerVersionArn,
		LicenseInfo: l.LicenseInfo, Version: l.Version,
	}, nil
}

type PublishLayerVersionInput struct {
	LayerName               string `aws:",uri"`
	CompatibleArchitectures []string
	CompatibleRuntimes      []string
	Content                 *LayerVersionContentInput
	Description             *string
	LicenseInfo             *string
}

// PublishLayerVersion makes a version of a layer, and the layer if there is
// none.
func (s *Service) PublishLayerVersion(ctx context.Context, in *PublishLayerVersionInput) (*LayerVersionDescription, error) {
	l, err := layerOf(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	v := &LayerVersion{
		Account: l.account, Region: l.region, Name: l.layer, Created: s.clock.Now(), Description: deref(in.Description), License: deref(in.LicenseInfo),
		Runtimes: in.CompatibleRuntimes, Architectures: in.CompatibleArchitectures, CodeSize: int64(len(in.Content.ZipFile)),
	}
	switch {
	case in.Content.S3Bucket != nil || in.Content.S3Key != nil:
		return nil, errNoBucket()
	case len(in.Content.ZipFile) == 0:
		return nil, invalid("Please provide a source for layer content.")
	}
	if v.Code, v.Unzipped, err = s.storeZip(in.Content.ZipFile); err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		layer := Layer{}
		if old, ok := s.layers.Get(l.key()); ok {
			layer = *old
		}
		layer.LastVersion++
		v.Number = layer.LastVersion
		return errors.Join(s.layers.Put(tx, l.key(), &layer), s.layerVersions.Put(tx, l.versionKey(v.Number), v))
	})
	if err != nil {
		return nil, err
	}
	return s.describeLayer(ctx, v)
}

func (in *PublishLayerVersionInput) check() error {
	var bad violations
	if in.Content == nil {
		bad.add(nil, "content", mustNotBeNull)
	}
	if slices.ContainsFunc(in.CompatibleRuntimes, func(r string) bool { return !slices.Contains(runtimes, r) && !slices.Contains(deprecated, r) }) {
		bad.add("["+strings.Join(in.CompatibleRuntimes, ", ")+"]", "compatibleRuntimes", "Member must satisfy enum value set: ["+strings.Join(runtimes, ", ")+"]")
	}
	if slices.ContainsFunc(in.CompatibleArchitectures, func(a string) bool { return !slices.Contains(architectures, a) }) {
		bad.add("["+strings.Join(in.CompatibleArchitectures, ", ")+"]", "compatibleArchitectures", "Member must satisfy constraint: "+architecturesRule)
	}
	if len(deref(in.Description)) > maxDescription {
		bad.add(*in.Description, "description", fmt.Sprintf("Member must have length less than or equal to %d", maxDescription))
	}
	return bad.err()
}

// layerVersion returns a version of a layer.
func (s *Service) layerVersion(ctx context.Context, reference string, number int64) (*LayerVersion, error) {
	l, err := layerOf(ctx, reference)
	if err != nil {
		return nil, err
	}
	if number < 1 {
		return nil, errLayerNumber()
	}
	v, ok := s.layerVersions.Get(l.versionKey(number))
	if !ok {
		return nil, noResource()
	}
	return v, nil
}

func errLayerNumber() error { return invalid("Layer Version Cannot be less than 1") }

type GetLayerVersionInput struct {
	LayerName     string `aws:",uri"`
	VersionNumber int64  `aws:",uri"`
}

// GetLayerVersion returns a version of a layer.
func (s *Service) GetLayerVersion(ctx context.Context, in *GetLayerVersionInput) (*LayerVersionDescription, error) {
	v, err := s.layerVersion(ctx, in.LayerName, in.VersionNumber)
	if err != nil {
		return nil, err
	}
	return s.describeLayer(ctx, v)
}

type GetLayerVersionByArnInput struct {
	Arn *string `aws:",query"`
}

// GetLayerVersionByArn returns a version of a layer.
func (s *Service) GetLayerVersionByArn(ctx context.Context, in *GetLayerVersionByArnInput) (*LayerVersionDescription, error) {
	l, number, ok := parseLayerVersion(deref(in.Arn))
	if !ok {
		return nil, violation(deref(in.Arn), "arn", "Member must satisfy regular expression pattern: "+layerVersionPattern)
	}
	v, found := s.layerVersions.Get(l.versionKey(number))
	if !found {
		return nil, noResource()
	}
	return s.describeLayer(ctx, v)
}

// A layerFilter says with what layers must be compatible; nil with anything.
type layerFilter struct{ runtime, architecture *string }

func (f layerFilter) check() error {
	if f.runtime != nil && !slices.Contains(runtimes, *f.runtime) && !slices.Contains(deprecated, *f.runtime) {
		return violation(*f.runtime, "compatibleRuntime", "Member must satisfy enum value set: ["+strings.Join(append(slices.Clone(runtimes), deprecated...), ", ")+"]")
	}
	return enumerated(f.architecture, "compatibleArchitecture", architectures...)
}

func (f layerFilter) matches(v *LayerVersion) bool {
	return (f.runtime == nil || slices.Contains(v.Runtimes, *f.runtime)) &&
		(f.architecture == nil || slices.Contains(v.Architectures, *f.architecture))
}

// versionsOf returns the versions of a layer that match, the newest first.
func (s *Service) versionsOf(l layerName, f layerFilter) (all []*LayerVersion) {
	for _, v := range s.layerVersions.All(l.key() + "/") {
		if f.matches(v) {
			all = append(all, v)
		}
	}
	slices.Reverse(all)
	return all
}

type ListLayerVersionsInput struct {
	LayerName              string  `aws:",uri"`
	CompatibleArchitecture *string `aws:",query"`
	CompatibleRuntime      *string `aws:",query"`
	Marker                 *string `aws:",query"`
	MaxItems               *int32  `aws:",query"`
}

type ListLayerVersionsOutput struct {
	LayerVersions []LayerVersionsListItem
	NextMarker    *string
}

// ListLayerVersions returns the versions of a layer, the newest first.
func (s *Service) ListLayerVersions(ctx context.Context, in *ListLayerVersionsInput) (*ListLayerVersionsOutput, error) {
	l, err := layerOf(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	f := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	if err := f.check(); err != nil {
		return nil, err
	}
	all := []LayerVersionsListItem{}
	for _, v := range s.versionsOf(l, f) {
		all = append(all, v.listed())
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 50)
	return &ListLayerVersionsOutput{part, next}, err
}

type ListLayersInput struct {
	CompatibleArchitecture *string `aws:",query"`
	CompatibleRuntime      *string `aws:",query"`
	Marker                 *string `aws:",query"`
	MaxItems               *int32  `aws:",query"`
}

type ListLayersOutput struct {
	Layers     []LayersListItem
	NextMarker *string
}

// LayersListItem is a layer in lists, with the newest version that matches.
type LayersListItem struct {
	LatestMatchingVersion *LayerVersionsListItem
	LayerArn              string
	LayerName             string
}

// ListLayers returns the caller's layers by name.
func (s *Service) ListLayers(ctx context.Context, in *ListLayersInput) (*ListLayersOutput, error) {
	f := layerFilter{in.CompatibleRuntime, in.CompatibleArchitecture}
	if err := f.check(); err != nil {
		return nil, err
	}
	c := wire.CallOf(ctx)
	prefix := layerName{c.Account(), c.Region, ""}.key()
	all := []LayersListItem{}
	for key := range s.layers.All(prefix) {
		l := layerName{c.Account(), c.Region, strings.TrimPrefix(key, prefix)}
		if versions := s.versionsOf(l, f); len(versions) > 0 {
			newest := versions[0].listed()
			all = append(all, LayersListItem{&newest, l.arn(), l.layer})
		}
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 50)
	return &ListLayersOutput{part, next}, err
}

type DeleteLayerVersionInput struct {
	LayerName     string `aws:",uri"`
	VersionNumber int64  `aws:",uri"`
}

// DeleteLayerVersion deletes a version of a layer. Functions that have it keep
// it; one that is not there is deleted already.
func (s *Service) DeleteLayerVersion(ctx context.Context, in *DeleteLayerVersionInput) (*wire.None, error) {
	l, err := layerOf(ctx, in.LayerName)
	if err != nil {
		return nil, err
	}
	if in.VersionNumber < 1 {
		return nil, errLayerNumber()
	}
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		s.layerVersions.Delete(tx, l.versionKey(in.VersionNumber))
		s.layerPolicies.Delete(tx, l.versionKey(in.VersionNumber))
		return nil
	})
}

func (s *Service) taggedLayer(l layerName) (*tagged, error) {
	layer, ok := s.layers.Get(l.key())
	if !ok {
		return nil, noResource()
	}
	return &tagged{
		tags: func() map[string]string { return layer.Tags },
		set: func(tx *store.Tx, tags map[string]string) error {
			changed := *layer
			changed.Tags = tags
			return s.layers.Put(tx, l.key(), &changed)
		},
	}, nil
}

// UsedLayer is a version of a layer as a function has it, also when that is
// deleted.
type UsedLayer struct {
	ARN      string
	Code     store.Sum
	CodeSize int64
	Unzipped int64
}

// maxLayers is how many layers a function has at the most.
const maxLayers = 5

// useLayers returns the layers with the given ARNs, for a function in region.
func (s *Service) useLayers(region string, arns []string) ([]UsedLayer, error) {
	if len(arns) > maxLayers {
		return nil, invalid("Cannot reference more than %d layers.", maxLayers)
	}
	var used []UsedLayer // nil for none: versions are compared
	seen := map[string]string{}
	for _, arn := range arns {
		l, number, ok := parseLayerVersion(arn)
		if !ok {
			return nil, violation("["+strings.Join(arns, ", ")+"]", "layers", "Member must satisfy constraint: [Member must have length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: "+layerVersionPattern+", Member must not be null]")
		}
		if l.region != region {
			return nil, invalid("Layers are not in the same region as the function. Layers are expected to be in region %s.", region)
		}
		v, found := s.layerVersions.Get(l.versionKey(number))
		if !found {
			return nil, invalid("Layer version %s does not exist.", arn)
		}
		if other, twice := seen[l.key()]; twice {
			return nil, invalid("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, arn)
		}
		seen[l.key()] = arn
		used = append(used, UsedLayer{arn, v.Code, v.CodeSize, v.Unzipped})
	}
	return used, nil
}

// layersNeed returns what giving a function layers needs.
func (s *Service) layersNeed(arns []string) (all []policy.Request, err error) {
	for _, arn := range arns {
		l, number, ok := parseLayerVersion(arn)
		if !ok {
			continue // the operation refuses it
		}
		p, _ := s.layerPolicies.Get(l.versionKey(number))
		d, err := p.document()
		if err != nil {
			return nil, fmt.Errorf("policy of %s: %w", arn, err)
		}
		all = append(all, policy.Request{Action: "lambda:GetLayerVersion", Resource: arn, Account: l.account, Policy: d})
	}
	return all, nil
}
