package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	gcaws "gocloud.dev/aws"
	"gocloud.dev/secrets/awskms"

	"lethe/internal/rootkey"
)

// openAmazon opens a symmetric key of AWS KMS. The options of a name are those
// that gocloud has for every service of Amazon's: region, profile, role, ….
func openAmazon(ctx context.Context, u *url.URL) (*keeper, error) {
	id := strings.TrimPrefix(u.Host+u.Path, "/")
	if id == "" {
		return nil, errors.New("a key of Amazon is named as awskms://ID, awskms://alias/NAME or awskms:///ARN")
	}
	cfg, err := gcaws.V2ConfigFromURLParams(ctx, u.Query())
	if err != nil {
		return nil, fmt.Errorf("reading the settings of AWS: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("the region of AWS is not known: add ?region=REGION to the name of the key, or set AWS_REGION")
	}
	cfg.Credentials = credentials{cfg.Credentials}
	client := kms.NewFromConfig(cfg, func(o *kms.Options) {
		o.Retryer = retry.AddWithMaxBackoffDelay(retry.AddWithMaxAttempts(o.Retryer, attempts), pause)
		o.APIOptions = append(o.APIOptions, onlyThisKey(id))
	})
	return &keeper{Keeper: awskms.OpenKeeper(client, id, nil), sort: amazonError}, nil
}

// onlyThisKey names the key when something is decrypted. Without a name, as
// gocloud asks, KMS takes the key that the ciphertext says, and a start with
// another root key would go well until that other key is deleted.
func onlyThisKey(id string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("onlyThisKey", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if decrypt, ok := in.Parameters.(*kms.DecryptInput); ok {
				decrypt.KeyId = aws.String(id)
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

var errNoCredentials = errors.New("there are no credentials of AWS")

// credentials marks the lack of credentials, for which AWS has no code.
type credentials struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	return got, err
}

// amazonError sorts by the codes of the KMS API reference (Decrypt, Encrypt,
// Common Errors). What else the service refuses, such as a disabled key or a
// stranger, has a status of 4xx, as has being asked too often.
func amazonError(err error) (says string, kind error) {
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	switch {
	case errors.Is(err, errNoCredentials):
		return err.Error(), rootkey.ErrDenied
	case !errors.As(err, &api):
		return err.Error(), rootkey.ErrUnreachable
	}
	says = fmt.Sprintf("AWS says %s: %s", api.ErrorCode(), api.ErrorMessage())
	_, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	switch code := api.ErrorCode(); {
	case code == "NotFoundException":
		return says, rootkey.ErrMissing
	case code == "InvalidCiphertextException" || code == "IncorrectKeyException":
		return says, rootkey.ErrWrong
	case throttled || !errors.As(err, &response) || response.HTTPStatusCode() >= 500:
		return says, rootkey.ErrUnreachable
	}
	return says, rootkey.ErrDenied
}
