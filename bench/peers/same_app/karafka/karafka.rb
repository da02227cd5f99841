# bundle exec karafka server
require "dry-struct"
require "karafka"
require_relative "billing"

DELAYS_S = [5, 10].freeze
RETRIES = DELAYS_S.map { |delay_s| "orders.retry.#{delay_s}" }.freeze

module Types
  include Dry.Types()
end

class Order < Dry::Struct
  transform_keys(&:to_sym)
  attribute :id, Types::Strict::Integer
  attribute :customer, Types::Strict::String
  attribute :amount, Types::Coercible::Float
end

class OrdersConsumer < Karafka::BaseConsumer
  def consume
    messages.each do |message|
      wait_s = message.headers.fetch("due", 0).to_f - Time.now.to_f
      return pause(message.offset, (wait_s * 1000).ceil) if wait_s.positive?

      handle(message)
      mark_as_consumed(message)
    end
  end

  private

  def handle(message)
    order = Order.new(message.payload)
    return dead(message, "no amount") unless order.amount.positive?

    begin
      bill(order)
    rescue StandardError => e
      try_again(message, e)
    end
  rescue JSON::ParserError, Dry::Struct::Error => e
    dead(message, e.message)
  end

  def try_again(message, error)
    attempt = message.headers.fetch("attempt", 1).to_i
    return dead(message, error.message) if attempt > DELAYS_S.size

    due = Time.now.to_f + DELAYS_S[attempt - 1]
    headers = { "attempt" => (attempt + 1).to_s, "due" => due.to_s }
    pass_on(message, RETRIES[attempt - 1], headers)
  end

  def dead(message, reason)
    pass_on(message, "orders.dead", { "reason" => reason })
  end

  def pass_on(message, topic, headers)
    payload = message.raw_payload
    producer.produce_sync(topic: topic, payload: payload, key: message.raw_key, headers: headers)
  end
end

class KarafkaApp < Karafka::App
  setup do |config|
    config.kafka = { "bootstrap.servers": "127.0.0.1:9092", "request.required.acks": "all" }
    config.client_id = "billing"
    config.group_id = "billing"
    config.concurrency = 4
  end

  routes.draw do
    ["orders", *RETRIES].each do |name|
      topic name do
        consumer OrdersConsumer
        manual_offset_management true
      end
    end
  end
end
