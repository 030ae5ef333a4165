// Package config reads lease6d's configuration file (TOML, strict) into typed values.
package config
