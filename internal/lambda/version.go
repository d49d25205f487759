package lambda

import (
	"context"
	"math/rand/v2"
	"strconv"

	"naru/internal/store"
	"naru/internal/wire"
)

// version returns the version that a qualified name stands for: an alias
// stands for the version that it points to.
func (s *Service) version(n name) (*Version, error) {
	f, err := s.function(n)
	if err != nil {
		return nil, err
	}
	if n.qualifier == "" || n.qualifier == latest {
		return &f.Version, nil
	}
	if number, ok := n.versionNumber(); ok {
		if v, ok := s.versions.Get(versionKey(n, number)); ok {
			return v, nil
		}
		return nil, notFound(n)
	}
	a, ok := s.aliases.Get(aliasKey(n))
	if !ok {
		return nil, notFound(n)
	}
	v, err := s.version(n.at(a.Version))
	if err != nil {
		return nil, notFound(n)
	}
	return v, nil
}

// route returns the version that an invocation by a qualified name gets: an
// alias may send some to another than the one that it points to.
func (s *Service) route(n name) (*Version, error) {
	a, ok := s.aliases.Get(aliasKey(n))
	if !ok {
		return s.version(n)
	}
	return s.version(n.at(a.pick(rand.Float64())))
}

type PublishVersionInput struct {
	FunctionName string `aws:",uri"`
	CodeSha256   *string
	Description  *string
	PublishTo    *string
	RevisionId   *string
}

// PublishVersion makes a version of what $LATEST is. If nothing has changed
// since the version that was published last, it returns that.
func (s *Service) PublishVersion(ctx context.Context, in *PublishVersionInput) (*FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if in.PublishTo != nil {
		return nil, notYet("managed instances")
	}
	var v *Version
	_, err = s.change(n, func(tx *store.Tx, f *Function) (err error) {
		if err := checkRevision(in.RevisionId, f.Revision); err != nil {
			return err
		}
		sum, err := f.codeSum()
		if err != nil {
			return err
		}
		if in.CodeSha256 != nil && *in.CodeSha256 != "" && *in.CodeSha256 != sum {
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", *in.CodeSha256, sum)
		}
		v, err = s.publish(tx, f, in.Description)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.published(v)
}

// published tells of a version.
func (s *Service) published(v *Version) (*FunctionConfiguration, error) {
	c, err := s.configuration(v)
	if err != nil {
		return nil, err
	}
	return c.at(v.qualified()), nil
}

// publish makes a version of what f is, unless the version that was published
// last is the same.
func (s *Service) publish(tx *store.Tx, f *Function, description *string) (*Version, error) {
	if description != nil && len(*description) > maxDescription {
		return nil, longDescription(*description)
	}
	if last, ok := s.versions.Get(versionKey(f.name(), f.LastVersion)); ok && f.LastVersion > 0 {
		if same, err := s.same(last, &f.Version); same || err != nil {
			return last, err
		}
	}
	f.LastVersion++
	v := f.Version
	v.Number = f.LastVersion
	if description != nil && *description != "" {
		v.Description = *description
	}
	v.touch()
	return &v, s.versions.Put(tx, v.key(), &v)
}

type ListVersionsByFunctionInput struct {
	FunctionName string  `aws:",uri"`
	Marker       *string `aws:",query"`
	MaxItems     *int32  `aws:",query"`
}

type ListVersionsByFunctionOutput struct {
	NextMarker *string
	Versions   []FunctionConfiguration
}

// ListVersionsByFunction returns $LATEST and the versions by their numbers.
func (s *Service) ListVersionsByFunction(ctx context.Context, in *ListVersionsByFunctionInput) (*ListVersionsByFunctionOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, err := s.function(n)
	if err != nil {
		return nil, err
	}
	all := []*Version{&f.Version}
	for _, v := range s.versions.All(n.key() + "/") {
		all = append(all, v)
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 10000)
	if err != nil {
		return nil, err
	}
	out := &ListVersionsByFunctionOutput{Versions: []FunctionConfiguration{}, NextMarker: next}
	for _, v := range part {
		c, err := s.published(v)
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, c.listed())
	}
	return out, nil
}

// paged returns the part of a list that a marker and a number ask for, at most
// most of it by default, and the marker of the next part.
func paged[T any](all []T, marker *string, number *int32, most int) ([]T, *string, error) {
	if err := outside(number, "maxItems", 1, 10000); err != nil {
		return nil, nil, err
	}
	if number != nil {
		most = min(most, int(*number))
	}
	from := 0
	if marker != nil {
		var err error
		if from, err = strconv.Atoi(*marker); err != nil || from < 0 {
			return nil, nil, invalid("Invalid Marker.")
		}
	}
	from = min(from, len(all))
	to := min(from+most, len(all))
	if to == len(all) {
		return all[from:], nil, nil
	}
	next := strconv.Itoa(to)
	return all[from:to], &next, nil
}

type DeleteFunctionInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// DeleteFunction deletes a function, with all that belongs to it and the
// events that wait for it; or a version of it.
func (s *Service) DeleteFunction(ctx context.Context, in *DeleteFunctionInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if n.qualifier == latest {
		return nil, invalid("$LATEST version cannot be deleted without deleting the function.")
	}
	if n.qualifier != "" {
		return &wire.None{}, s.deleteVersion(n)
	}
	return &wire.None{}, s.deleteFunction(n)
}

// deleteVersion deletes a version. One that is not there is deleted already.
func (s *Service) deleteVersion(n name) error {
	number, ok := n.versionNumber()
	if !ok {
		return invalid("Deletion of aliases is not currently supported.")
	}
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.function(n); err != nil {
			return notFound(n.unqualified())
		}
		for _, a := range s.aliases.All(n.key() + "/") {
			if _, weighted := a.Weights[n.qualifier]; weighted || a.Version == n.qualifier {
				return conflict("Version %s is pointed to by the alias %s. Delete the alias, or let it point elsewhere, first.", n.qualifier, a.Name)
			}
		}
		s.versions.Delete(tx, versionKey(n, number))
		s.forget(tx, n)
		return nil
	})
	if err != nil {
		return err
	}
	s.dismiss(versionKey(n, number))
	s.requota(n)
	return nil
}

// deleteFunction deletes a function, its versions, aliases and all else that
// belongs to it.
func (s *Service) deleteFunction(n name) error {
	var f *Function
	err := s.store.Catalog().Update(func(tx *store.Tx) (err error) {
		if f, err = s.function(n); err != nil {
			return err
		}
		s.functions.Delete(tx, n.key())
		for key := range s.versions.All(n.key() + "/") {
			s.versions.Delete(tx, key)
		}
		for key := range s.aliases.All(n.key() + "/") {
			s.aliases.Delete(tx, key)
		}
		for _, clear := range s.belongings() {
			clear(tx, n.key()+"/")
		}
		return s.engine.Discard(tx, f.ref())
	})
	if err != nil {
		return err
	}
	s.dismissAll(n)
	s.requota(n)
	return s.engine.Drop(f.ref())
}

// belongings are the tables of what belongs to a function or to a version or
// alias of it: each func removes the rows whose keys begin with a prefix. A
// row's key is name.belonging.
func (s *Service) belongings() []func(*store.Tx, string) {
	return []func(*store.Tx, string){
		clearing(s.policies), clearing(s.provisioned), clearing(s.eventConfigs), clearing(s.runtimes), s.clearURLs,
	}
}

// clearing returns what removes the rows of a table that begin with a prefix.
func clearing[T any](t *store.Table[T]) func(*store.Tx, string) {
	return func(tx *store.Tx, prefix string) {
		for key := range t.All(prefix) {
			t.Delete(tx, key)
		}
	}
}

// forget removes what belongs to one version or alias.
func (s *Service) forget(tx *store.Tx, n name) {
	for _, clear := range s.belongings() {
		clear(tx, n.belonging())
	}
}
