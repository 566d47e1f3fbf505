"""Geometry of boxes: conversion, overlap, editing, suppression."""
