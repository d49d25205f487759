package lambda

import (
	"context"
	"encoding/json"
	"errors"

	"naru/internal/store"
)

type UpdateFunctionCodeInput struct {
	FunctionName        string `aws:",uri"`
	ZipFile             []byte
	ImageUri            *string
	S3Bucket            *string
	S3Key               *string
	S3ObjectVersion     *string
	S3ObjectStorageMode *string
	SourceKMSKeyArn     *string
	Architectures       []string
	DryRun              bool
	Publish             bool
	PublishTo           *string
	RevisionId          *string
}

// UpdateFunctionCode gives a function other code, and with Publish makes a
// version of that.
func (s *Service) UpdateFunctionCode(ctx context.Context, in *UpdateFunctionCodeInput) (*FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, err
	}
	if in.PublishTo != nil {
		return nil, notYet("managed instances")
	}
	if in.ImageUri != nil {
		return nil, invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
	}
	var fresh Version
	if err := s.setCode(&fresh, &FunctionCode{ZipFile: in.ZipFile, S3Bucket: in.S3Bucket, S3Key: in.S3Key}); err != nil {
		return nil, err
	}
	dryRun := errors.New("dry run")
	var told *Version
	f, err := s.change(n, func(tx *store.Tx, f *Function) error {
		if err := checkRevision(in.RevisionId, f.Revision); err != nil {
			return err
		}
		f.Code, f.CodeSize, f.Unzipped, f.Folder = fresh.Code, fresh.CodeSize, fresh.Unzipped, fresh.Folder
		f.rebuild(s.clock.Now())
		told = &f.Version
		if err := applyRest(&f.Version, configChange{Architectures: in.Architectures}); err != nil {
			return err
		}
		if err := f.checkSize(); err != nil {
			return err
		}
		if in.DryRun {
			return dryRun
		}
		if in.Publish {
			told, err = s.publish(tx, f, nil)
		}
		return err
	})
	switch {
	case errors.Is(err, dryRun):
		return s.configuration(told)
	case err != nil:
		return nil, err
	case told.Number != 0:
		s.renew(f)
		return s.published(told)
	}
	return s.updated(f)
}

// updated tells of a function that was changed.
func (s *Service) updated(f *Function) (*FunctionConfiguration, error) {
	s.renew(f)
	c, err := s.configuration(&f.Version)
	if err != nil {
		return nil, err
	}
	return c.updating(), nil
}

type UpdateFunctionConfigurationInput struct {
	FunctionName           string `aws:",uri"`
	Role                   *string
	Runtime                *string
	Handler                *string
	Description            *string
	Timeout                *int32
	MemorySize             *int32
	Environment            *Environment
	EphemeralStorage       *EphemeralStorage
	TracingConfig          *TracingConfig
	LoggingConfig          *LoggingConfig
	VpcConfig              *VpcConfig
	KMSKeyArn              *string
	RevisionId             *string
	SnapStart              *SnapStart
	Layers                 []string
	DeadLetterConfig       *DeadLetterConfig
	CapacityProviderConfig json.RawMessage
	DurableConfig          json.RawMessage
	FileSystemConfigs      json.RawMessage
	ImageConfig            json.RawMessage
}

// UpdateFunctionConfiguration changes what is given of a configuration.
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, in *UpdateFunctionConfigurationInput) (*FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	like := CreateFunctionInput{
		SnapStart: in.SnapStart, CapacityProviderConfig: in.CapacityProviderConfig,
		DurableConfig: in.DurableConfig, FileSystemConfigs: in.FileSystemConfigs, ImageConfig: in.ImageConfig,
	}
	if err := like.unsupported(); err != nil {
		return nil, err
	}
	if in.Role != nil {
		if err := checkRole(*in.Role); err != nil {
			return nil, err
		}
		if _, err := s.options.Assume(*in.Role, n.function); err != nil {
			return nil, errRole()
		}
	}
	if err := s.checkNewDeadLetter(ctx, n, in); err != nil {
		return nil, err
	}
	f, err := s.change(n, func(_ *store.Tx, f *Function) error {
		if err := checkRevision(in.RevisionId, f.Revision); err != nil {
			return err
		}
		f.rebuild(s.clock.Now())
		return s.apply(&f.Version, configChange{
			Role: in.Role, Runtime: in.Runtime, Handler: in.Handler, Description: in.Description, Timeout: in.Timeout, MemorySize: in.MemorySize,
			Environment: in.Environment, EphemeralStorage: in.EphemeralStorage, TracingConfig: in.TracingConfig, LoggingConfig: in.LoggingConfig,
			VpcConfig: in.VpcConfig, KMSKeyArn: in.KMSKeyArn, DeadLetterConfig: in.DeadLetterConfig,
			Layers: in.Layers,
		})
	})
	if err != nil {
		return nil, err
	}
	return s.updated(f)
}

// checkNewDeadLetter refuses a queue that a function cannot send to as it will
// be.
func (s *Service) checkNewDeadLetter(ctx context.Context, n name, in *UpdateFunctionConfigurationInput) error {
	f, err := s.function(n)
	if err != nil || in.DeadLetterConfig == nil {
		return err
	}
	v := f.Version
	if in.Role != nil {
		v.Role = *in.Role
	}
	if err := applyDeadLetter(&v, in.DeadLetterConfig); err != nil {
		return err
	}
	return s.checkDeadLetter(ctx, &v)
}
